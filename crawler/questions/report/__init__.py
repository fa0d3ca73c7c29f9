"""A snapshot on one page."""
