formula Exp(x) +\n  Sin(x) *\n  Con(x)
alias x=Vi(3)
