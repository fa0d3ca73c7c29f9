"""`registry-crawler audit`."""


def audit() -> None:
    """To be built."""
