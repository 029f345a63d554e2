formula Grad(Exp(-SqDist(x,y))*b,x,e)
alias x=Vi(3)
alias y=Vj(3)
alias b=Vj(1)
alias e=Vi(1)
axis 1
