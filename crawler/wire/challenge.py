"""`WWW-Authenticate`: what a registry wants to see before it answers (RFC 9110 §11.6.1, RFC 6750)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

MAX_LENGTH: Final = 64 * 1024
"""Reading is linear, and a hundred headers of that size would take seconds all the same."""

_READING: Final = frozenset({"pull", "metadata_read", "content_read"})
"""Actions on a repository that a token may be asked for; the last two are Azure's."""

_EVERYTHING: Final = frozenset({"*"})
"""The catalog's only action, which on a repository would be the right to write."""

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_SCHEME = re.compile(rf"[\s,]*({_WORD})(?=[\s,]|$)(?!\s*=)")
# A bare value may hold "/" and ":" (some send realm=https://… unquoted), so it ends at a comma or a space only.
_PARAMETER = re.compile(rf'[\s,]*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)(?:"|$)|([^\s,"]*))', re.DOTALL)
_UNREADABLE = re.compile(r"[\s,]*[^,]*")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge: the scheme in lower case, and its parameters by their names in lower case."""

    scheme: str
    parameters: Mapping[str, str]

    @property
    def realm(self) -> str:
        """For Bearer the address of the token server, maybe relative; "" where it is missing."""
        return self.parameters.get("realm", "")

    @property
    def error(self) -> str:
        """Why a token was refused: `invalid_token`, `insufficient_scope` (RFC 6750 §3.1); "" where it is not said."""
        return self.parameters.get("error", "")

    @property
    def service(self) -> str | None:
        """The service to name in a token request, or None: Artifact Registry's `/v2/` and OpenShift name none."""
        return self.parameters.get("service") or None


def parse_challenges(values: Iterable[str]) -> tuple[Challenge, ...]:
    """Every challenge of every `WWW-Authenticate` header, in order, in the first MOST_READ characters of all of them.

    What cannot be read is passed over.
    """
    left = MAX_LENGTH
    challenges: list[Challenge] = []
    for value in values:
        challenges += _challenges(value[:left])
        left = max(0, left - len(value))
    return tuple(challenges)


def _challenges(value: str) -> Iterable[Challenge]:
    position = 0
    while position < len(value):
        scheme = _SCHEME.match(value, position)
        if scheme is None:
            position = _UNREADABLE.match(value, position).end()  # type: ignore[union-attr]  # it matches anything
            continue
        parameters: dict[str, str] = {}
        position = scheme.end()
        while parameter := _PARAMETER.match(value, position):
            key, quoted, bare = parameter.groups()
            parameters.setdefault(key.lower(), bare if quoted is None else _ESCAPED.sub(r"\1", quoted))
            position = parameter.end()
        # Negotiate's and NTLM's blobs (token68) are no parameters: go on behind the next comma.
        comma = value.find(",", position)
        position = len(value) if comma < 0 else comma
        yield Challenge(scheme[1].lower(), MappingProxyType(parameters))


def usable_challenge(challenges: Iterable[Challenge]) -> Challenge | None:
    """The challenge to answer: the first Bearer with a realm, else the first Basic, else None.

    Some registries offer Basic as well, and take nothing but tokens.
    """
    usable = [c for c in challenges if c.scheme == "basic" or (c.scheme == "bearer" and c.realm)]
    return next((c for c in usable if c.scheme == "bearer"), usable[0] if usable else None)


def reading_actions(challenge: Challenge, asked: str) -> str | None:
    """The actions that a challenge wants a token for, where its scope is about what `asked` is about; else None.

    Others are ignored, and so are those that would give more than reading.
    """
    about = asked.rpartition(":")[0]
    return next((actions for resource, actions in _reading_scopes(challenge) if resource == about), None)


def reading_scope(challenge: Challenge) -> str | None:
    """The first scope of a challenge that gives no more than reading; None where it names none."""
    return next((f"{resource}:{actions}" for resource, actions in _reading_scopes(challenge)), None)


def _reading_scopes(challenge: Challenge) -> Iterator[tuple[str, str]]:
    """The scopes of a challenge, of which it may hold several, as resource and actions.

    A scope is `type:name:actions` (distribution's docs/content/spec/auth/scope.md), a name may hold colons. Others are
    ignored, as ECR Public's `aws`.
    """
    for scope in challenge.parameters.get("scope", "").split():
        resource, _, actions = scope.rpartition(":")
        allowed = _READING if resource.startswith("repository:") else _EVERYTHING
        if ":" in resource and {*actions.split(",")} <= allowed:
            yield resource, actions
