formula Exp(x|y) * c * (b | w)
alias x = Vi(3)
alias y = Vj(3)
alias c = Mij(1)
alias b = Vj(2)
alias w = Mij(2)
axis 1
