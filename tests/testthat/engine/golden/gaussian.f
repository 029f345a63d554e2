formula Exp(-G * SqDist(X,Y)) * B
alias G = Pm(1)
alias X = Vi(3)
alias Y = Vj(3)
alias B = Vj(2)
axis 1
