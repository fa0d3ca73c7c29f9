"""Names of registries and repositories, checked where they are made."""

import ipaddress
from dataclasses import dataclass
from typing import Self

from crawler.model.grammar import MAX_NAME_LENGTH, NAME, parse_target, split_port
from crawler.model.name_mistakes import name_mistake


class RepositoryName(str):
    """A repository's full name on its host, known to fit the specification's grammar.

    Raises ValueError for any other text, so that a stranger's string never enters a URL, a path or a header.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if len(text) > MAX_NAME_LENGTH or NAME.fullmatch(text) is None:
            raise ValueError(f"not a repository name: it {name_mistake(text)}")
        return super().__new__(cls, text)


@dataclass(frozen=True, slots=True)
class Target:
    """What a snapshot is of: a registry's host, with its port if any, and maybe a prefix of repository names."""

    registry: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `HOST[:PORT][/PREFIX]`. Raises ValueError, which says what is wrong and what to write instead.

        A Google project of a domain may be written as Google does: `gcr.io/example.com:my-project`.
        """
        return cls(*parse_target(text))

    @property
    def host(self) -> str:
        """The host alone, an IPv6 address without its brackets."""
        return split_port(self.registry)[0].strip("[]")

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)

    def covers(self, name: str) -> bool:
        """Whether a repository of that name lies under the prefix."""
        return not self.prefix or name == self.prefix or name.startswith(f"{self.prefix}/")

    def __str__(self) -> str:
        return f"{self.registry}/{self.prefix}" if self.prefix else self.registry


def is_loopback(host: str) -> bool:
    """Whether a host, by name or address, is this machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
