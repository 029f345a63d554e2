formula Exp(-γ * x)
alias x=Vi(3)
