"""The benchmark: what a crawl costs, beside other clients that make the same exchanges. See README.md."""
