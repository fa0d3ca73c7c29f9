"""Outages in the middle of a crawl: the registry goes away, and the crawl must lose nothing."""
