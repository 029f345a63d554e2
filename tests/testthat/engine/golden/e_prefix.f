formula MatVec(x,y)
alias x=Vi(2)
alias y=Vj(2)
