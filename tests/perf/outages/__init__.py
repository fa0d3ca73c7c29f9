"""Outages in the middle of a crawl: a registry that is taken away, and what becomes of the crawl."""
