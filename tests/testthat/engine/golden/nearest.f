formula Norm2(x-y)
alias x=Vi(3)
alias y=Vj(3)
reduction KMin_ArgKMin
k 5
axis 1
