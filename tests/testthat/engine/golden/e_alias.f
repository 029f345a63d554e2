formula x
alias x = Vk(3)
