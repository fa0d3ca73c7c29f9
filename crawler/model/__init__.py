"""The values that flow through a crawl: frozen, and checked where they are made."""
