formula x|y
formula2 b
alias x=Vi(64)
alias y=Vj(64)
alias b=Vj(64)
reduction SumSoftMaxWeight
axis 1
