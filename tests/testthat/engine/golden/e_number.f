formula 3x + 1
alias x=Vi(3)
