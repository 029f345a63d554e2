formula x*y*-1e400
alias x=Vi(1)
alias y=Vj(1)
dtype float64
