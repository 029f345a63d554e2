formula 1*x - -y + (2+3)*Elem(Concat(x,y),4) + x*x - x/1 + Pow(y,2)
alias x=Vi(3)
alias y=Vj(3)
