formula MatVecMult(x, y)
alias x=Vi(4)
alias y=Vj(3)
