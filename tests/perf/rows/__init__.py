"""One module per question; each has one `rows(bench)`, which measures and gives the table's rows."""
