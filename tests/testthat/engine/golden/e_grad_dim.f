formula 1 + Grad(x*y, x, e)
alias x=Vi(3)
alias y=Vj(3)
alias e=Vi(1)
