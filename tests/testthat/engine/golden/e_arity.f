formula SqDist(x)
alias x=Vi(3)
