formula Exp(x)+Exp(x)+Exp(x)+Exp(x)+Exp(x)+Exp(x)+Exp(x)+Exp(x)+Exp(x)+Exp(x)+Exp(x)+Exp(x)+Exp(x)+Exp(xx)+Exp(x)+Exp(x)+Exp(x)+Exp(x)+Exp(x)+Exp(x)+Exp(x)
alias x=Vi(2)
