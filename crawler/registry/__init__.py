"""Requests of the distribution protocol to one registry: its catalog, and the tags of a repository."""
