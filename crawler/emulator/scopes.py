"""The scopes of tokens: the registry's, and OAuth's."""

import re

CATALOG = "registry:catalog:*"

_READS_TAGS = frozenset(
    f"https://www.googleapis.com/auth/{scope}"
    for scope in ("devstorage.read_only", "devstorage.read_write", "devstorage.full_control")
)
READS_PROJECTS = frozenset(
    f"https://www.googleapis.com/auth/{scope}" for scope in ("cloud-platform", "cloud-platform.read-only")
)
KNOWN_OAUTH_SCOPES = _READS_TAGS | READS_PROJECTS

_PULL = re.compile(r"repository:(?P<name>.+):(?:[a-z]+,)*pull(?:,[a-z]+)*")


def pull(name: str) -> str:
    """The scope that listing a repository needs."""
    return f"repository:{name}:pull"


def parse_scope(text: str) -> str:
    """The scope to grant for a requested one: of several actions, only `pull` is granted.

    A name may contain `host:port`, so the type ends at the first colon and the actions begin after the last colon.
    Raises ValueError for an unsupported scope. Several scopes are unsupported, because Google's token endpoint has
    trouble with them (containerd/containerd#4379, containerd/containerd#8415); it also refuses an empty one.
    """
    if text == CATALOG:
        return CATALOG
    match = _PULL.fullmatch(text)
    if match is None or " " in text:
        raise ValueError(f"invalid scope: {text!r}")
    return pull(match["name"])


def resource(scope: str) -> str:
    """The resource name in a scope, between its type and its actions; empty for the empty scope."""
    return scope.partition(":")[2].rpartition(":")[0]
