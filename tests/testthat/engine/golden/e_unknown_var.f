formula Exp(-gama * SqDist(x,y))
alias gamma=Pm(1)
alias x=Vi(3)
alias y=Vj(3)
