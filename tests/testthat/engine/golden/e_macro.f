formula 1 + WeightedSqNorm(s, x)
alias s=Pm(4)
alias x=Vi(3)
