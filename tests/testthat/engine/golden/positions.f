formula Square(p-Vj(3,1))*Exp(x+Var(2,3,1))
alias p=Pm(0,1)
alias x=Vi(1,3)
