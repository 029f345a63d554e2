formula Exp(-SqDist(x,y)) * b
alias x=Vi(100)
alias y=Vj(100)
alias b=Vj(64)
axis 0
dtype float64
