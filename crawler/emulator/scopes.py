"""What a token may be used for: registry scopes and OAuth scopes."""

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
    """The scope of a repository's listing."""
    return f"repository:{name}:pull"


def parse_scope(text: str) -> str:
    """The scope that is granted for the one asked for: actions other than reading are left out.

    A name may hold `host:port`, so the type ends at the first colon and the actions begin after the last.
    Raises ValueError for a scope this registry does not have, several scopes and the empty one included.
    """
    if text == CATALOG:
        return CATALOG
    asked = _PULL.fullmatch(text)
    if asked is None or " " in text:
        raise ValueError(f"invalid scope: {text!r}")
    return pull(asked["name"])


def resource(scope: str) -> str:
    """The name between a scope's type and its actions; empty for the empty scope."""
    return scope.partition(":")[2].rpartition(":")[0]
