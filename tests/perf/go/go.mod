module listings

go 1.24
