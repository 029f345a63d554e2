formula x
alias x = Vi(0)
