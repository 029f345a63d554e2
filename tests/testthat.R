library(testthat)
library(genred)

test_check("genred")
