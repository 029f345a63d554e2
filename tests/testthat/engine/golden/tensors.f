formula Kron(x,y,[3],[2]) + MatVecMult(A,x)
alias x=Vi(3)
alias y=Vj(2)
alias A=Pm(18)
