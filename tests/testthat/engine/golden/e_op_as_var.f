formula Exp + x
alias x=Vi(2)
