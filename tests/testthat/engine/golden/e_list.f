formula [1,2] + x
alias x=Vi(2)
