formula Exp(x - y)
alias x=Vi(3)
alias y=Vj(2)
