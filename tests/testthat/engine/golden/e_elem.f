formula Elem(x, 3)
alias x=Vi(3)
