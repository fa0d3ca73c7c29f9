"""Numbers of things, in words."""


def repositories(count: int) -> str:
    """A number of repositories, in words."""
    return f"{count:,} {'repository' if count == 1 else 'repositories'}"
