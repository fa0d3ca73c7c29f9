"""What a crawl costs, beside what the same exchanges cost other clients: measured in one run, on one machine."""
