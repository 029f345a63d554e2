formula Exp(-SqDist(x,y)
alias x=Vi(3)
alias y=Vj(3)
