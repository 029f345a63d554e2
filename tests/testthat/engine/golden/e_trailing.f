formula Exp(x))
alias x=Vi(3)
