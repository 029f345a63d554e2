formula ComplexReal(x)
alias x=Vi(3)
