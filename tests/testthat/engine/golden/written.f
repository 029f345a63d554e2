formula KMin_Reduction(SqDist(x,y), 4, 0)
alias x=Vi(3)
alias y=Vj(3)
