formula -x**2 + x|y-1 == 2*y[0:2]/3 < x
alias x=Vi(2)
alias y=Vj(2)
axis 1
