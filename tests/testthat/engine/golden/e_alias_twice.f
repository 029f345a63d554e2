formula x
alias x = Vi(3)
alias x = Vj(3)
