"""`WWW-Authenticate`: which credentials a registry asks for (RFC 9110 §11.6.1, RFC 6750 §3)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

MAX_CHARACTERS: Final = 64 * 1024
"""Characters of all headers together that are parsed. Parsing is linear, but a hundred such headers take seconds."""

_REPOSITORY_READ_ACTIONS: Final = frozenset({"pull", "metadata_read", "content_read"})
"""Actions on a repository that only read it. The last two are Azure Container Registry's (scope maps)."""

_CATALOG_READ_ACTIONS: Final = frozenset({"*"})
"""The only action on the catalog (`registry:catalog:*`). On a repository, `*` includes the right to write."""

# RFC 9110 §11.2, with these liberties: blanks around "=", commas that are missing or doubled, a quote never closed.
_TCHARS = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_SCHEME: Final = re.compile(rf"[\s,]*({_TCHARS})(?=[\s,]|$)(?!\s*=)")
# A value without quotes may hold "/" and ":", as in realm=https://…, so that only a comma or a blank ends it.
_PARAMETER: Final = re.compile(rf'[\s,]*({_TCHARS})\s*=\s*(?:"((?:[^"\\]|\\.)*)(?:"|$)|([^\s,"]*))', re.DOTALL)
_UNPARSABLE: Final = re.compile(r"[\s,]*[^,]*")
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge. `scheme` and the names of `parameters` are in lower case."""

    scheme: str
    parameters: Mapping[str, str]

    @property
    def realm(self) -> str:
        """For Bearer, the URL of the token server, which may be relative; "" where it is missing."""
        return self.parameters.get("realm", "")

    @property
    def error(self) -> str:
        """Why a token was refused: `invalid_token`, `insufficient_scope` (RFC 6750 §3.1); "" where it is missing."""
        return self.parameters.get("error", "")

    @property
    def service(self) -> str | None:
        """The service to name in a token request. None at Artifact Registry's `/v2/`, and at OpenShift."""
        return self.parameters.get("service") or None


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """All challenges of all `WWW-Authenticate` headers, in order. What cannot be parsed is skipped.

    One header may hold several challenges, separated by the same commas as their parameters (older Gitea: Bearer, then
    Basic). Of all headers together, MAX_CHARACTERS are parsed.
    """
    remaining = MAX_CHARACTERS
    challenges: list[Challenge] = []
    for header in headers:
        challenges += _parse_header(header[:remaining])
        remaining = max(0, remaining - len(header))
    return tuple(challenges)


def _parse_header(header: str) -> Iterator[Challenge]:
    position = 0
    while position < len(header):
        scheme = _SCHEME.match(header, position)
        if scheme is None:
            position = _UNPARSABLE.match(header, position).end()  # type: ignore[union-attr]  # it matches anything
            continue
        parameters: dict[str, str] = {}
        position = scheme.end()
        while parameter := _PARAMETER.match(header, position):
            name, quoted, bare = parameter.groups()
            parameters.setdefault(name.lower(), bare if quoted is None else _ESCAPED.sub(r"\1", quoted))
            position = parameter.end()
        # Negotiate and NTLM send one base64 value (token68) instead of parameters: skip to the next comma.
        comma = header.find(",", position)
        position = len(header) if comma < 0 else comma
        yield Challenge(scheme[1].lower(), MappingProxyType(parameters))


def usable_challenge(challenges: Iterable[Challenge]) -> Challenge | None:
    """The challenge to answer: the first Bearer with a realm, else the first Basic, else None.

    Bearer goes first because Gitea and Forgejo also offer Basic.
    """
    usable = [c for c in challenges if c.scheme == "basic" or (c.scheme == "bearer" and c.realm)]
    return next((c for c in usable if c.scheme == "bearer"), usable[0] if usable else None)


def reading_actions(challenge: Challenge, requested: str) -> str | None:
    """The actions that a challenge names for the resource of the scope `requested`, or None.

    Azure Container Registry's scope-map tokens need `metadata_read` in place of `pull`, and its challenge says so.
    A scope for another resource is ignored, and so are actions that do more than read.
    """
    requested_resource = requested.rpartition(":")[0]
    return next((actions for resource, actions in _reading_scopes(challenge) if resource == requested_resource), None)


def reading_scope(challenge: Challenge) -> str | None:
    """The first scope of a challenge that does no more than read, or None."""
    return next((f"{resource}:{actions}" for resource, actions in _reading_scopes(challenge)), None)


def _reading_scopes(challenge: Challenge) -> Iterator[tuple[str, str]]:
    """Each scope of a challenge that does no more than read, as (resource, actions).

    A scope is `type:name:actions` (distribution/distribution, docs/content/spec/auth/scope.md). The name may hold
    colons, as in `host:port/name`; the actions do not. Scopes of another form are ignored, such as ECR Public's `aws`
    and Forgejo's `*`.
    """
    for scope in challenge.parameters.get("scope", "").split():
        resource, _, actions = scope.rpartition(":")
        allowed = _REPOSITORY_READ_ACTIONS if resource.startswith("repository:") else _CATALOG_READ_ACTIONS
        if ":" in resource and {*actions.split(",")} <= allowed:
            yield resource, actions
