"""`registry-crawler publish`."""


def publish() -> None:
    """To be built."""
