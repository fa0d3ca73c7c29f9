"""The plan of an outage, and what the registry counted."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["refused", "reset", "502", "503", "504", "404", "dns"]

HOST_NAME = "registry.test"
PROJECT = "team"
"""The folder that contains every repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which registry there is, and when it is taken away.

    kind: how it is away. `dns`: its name is taken out of `hosts_file`, and nothing listens.
    after: how many listings are answered before the outage begins.
    seconds: how long the outage lasts; None is until a line on standard input.
    party: who is away, the registry or its token server.
    auth: what the registry wants to see: nothing, a token for each scope, or Google's access token as a password.
    token_lifetime_s: the `expires_in` of every token.
    """

    repositories: int
    after: int
    kind: Kind
    seconds: float | None
    party: Literal["registry", "tokens"] = "registry"
    auth: Literal["none", "bearer", "google"] = "none"
    token_lifetime_s: float = 300
    latency_s: float = 0.003
    hosts_file: str = ""

    @property
    def names(self) -> list[str]:
        return [f"{PROJECT}/app-{number:05}" for number in range(self.repositories)]


@dataclass(slots=True, kw_only=True)
class Seen:
    """Counters. `turned_away` is the number of requests during the outage, unless nothing listens."""

    began: bool = False
    ended: bool = False
    listings: int = 0
    listings_after: int = 0
    turned_away: int = 0
    tokens: int = 0


def write_hosts(file: str, *, known: bool) -> None:
    """Written in place, because the file is mounted over /etc/hosts."""
    Path(file).write_text(f"127.0.0.1 {HOST_NAME}\n" if known else "\n")
