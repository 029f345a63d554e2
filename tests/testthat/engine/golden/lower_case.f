formula exp(-sqdist(x, y)) * sum(abs(y))
alias x=Vi(3)
alias y=Vj(3)
