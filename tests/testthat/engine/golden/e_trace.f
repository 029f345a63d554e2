formula TraceOperator(x*x*y, x)
alias x=Vi(3)
alias y=Vj(3)
