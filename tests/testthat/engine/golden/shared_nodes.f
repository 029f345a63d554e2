formula Exp(-Norm2(x-y)) * (1 + Norm2(x-y))
alias x=Vi(3)
alias y=Vj(3)
