"""`registry-crawler diff`."""


def diff() -> None:
    """To be built."""
