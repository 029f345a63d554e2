formula x
alias x = Vi(2,3)
