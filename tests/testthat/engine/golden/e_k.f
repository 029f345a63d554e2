formula x
alias x=Vi(1)
reduction KMin
