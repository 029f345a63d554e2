formula 1 + Sum_Reduction(x, 0)
alias x=Vi(3)
