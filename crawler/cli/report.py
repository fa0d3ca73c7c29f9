"""`registry-crawler report`."""


def report() -> None:
    """To be built."""
