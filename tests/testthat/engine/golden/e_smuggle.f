formula x"); system("ls
alias x=Vi(3)
