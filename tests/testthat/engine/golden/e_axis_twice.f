formula Sum_Reduction(x, 0)
alias x=Vi(3)
axis 0
