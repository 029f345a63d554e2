formula x
alias x=Vi(3)
reduction LogSumExpp
