"""`python -m crawler`: the command `registry-crawler`."""

from crawler.cli import main

main()
