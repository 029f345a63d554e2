formula Exp(-SqDist(x,y)) - 1e300*(x == y)
alias x=Vi(1)
alias y=Vj(1)
