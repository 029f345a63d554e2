formula Laplacian(x, x)
alias x=Vi(3)
