formula Grad(x*y, x+1, y)
alias x=Vi(3)
alias y=Vj(3)
