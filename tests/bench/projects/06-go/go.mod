module reverser

go 1.19
