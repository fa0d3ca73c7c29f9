"""A reference to an image, as docker and Kubernetes read it: `nginx` is `docker.io/library/nginx:latest`."""

import re
from dataclasses import dataclass
from typing import Final, Self

from crawler.model.grammar import MAX_NAME_LENGTH, NAME, TAG

_HUB: Final = "docker.io"
_HUB_ALIASES: Final = frozenset({"index.docker.io", "registry-1.docker.io"})
_DEFAULT_TAG: Final = "latest"
_HTTPS_PORT: Final = ":443"

_TAG: Final = re.compile(TAG)
_DIGEST: Final = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[A-Za-z0-9=_-]{32,}")  # image-spec, "Digests"


@dataclass(frozen=True, slots=True)
class ImageReference:
    """What a workload pulls: a tag, or a digest; one of the two is None.

    Attributes:
        registry: HOST[:PORT] as `same_registry` writes it.
        repository: the full name on that host.
    """

    registry: str
    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `[HOST[:PORT]/]NAME[:TAG][@DIGEST]`. Where there is a digest the tag does not count: it is not pulled.

        Raises ValueError, whose message does not quote the text.
        """
        rest, at, digest = text.partition("@")
        if at and _DIGEST.fullmatch(digest) is None:
            raise ValueError("its digest is not one")
        registry, path = _split_registry(rest)
        name, colon, tag = path.partition(":")
        if NAME.fullmatch(name) is None or len(name) > MAX_NAME_LENGTH:
            raise ValueError("its repository is not a name")
        if colon and _TAG.fullmatch(tag) is None:
            raise ValueError("its tag is not one")
        if at:
            return cls(registry, name, None, digest)
        return cls(registry, name, tag or _DEFAULT_TAG, None)


def same_registry(registry: str) -> str:
    """One way to write HOST[:PORT]: in lower case, without the port of HTTPS, and Docker Hub by its usual name."""
    host = registry.lower().removesuffix(_HTTPS_PORT)
    return _HUB if host in _HUB_ALIASES else host


def _split_registry(text: str) -> tuple[str, str]:
    """Registry and path: the first component is a host only if it looks like one.

    distribution/reference, normalize.go, splitDockerDomain.
    """
    first, slash, rest = text.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        first, rest = _HUB, text
    if first in {_HUB, "index.docker.io"} and "/" not in rest:
        rest = f"library/{rest}"
    return same_registry(first), rest
