"""Repository names and targets, validated when they are created."""

import ipaddress
from typing import Self

from crawler.model.grammar import MAX_NAME_LENGTH, NAME
from crawler.model.name_mistakes import name_mistake
from crawler.model.target_parser import parse_target, split_port
from crawler.model.value import Value


class RepositoryName(str):
    """A repository's full name on its host. It fits the specification's grammar, and is at most 255 characters long.

    Raises ValueError for any other text, so that untrusted text never enters a URL, a path or a header.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if len(text) > MAX_NAME_LENGTH or NAME.fullmatch(text) is None:
            raise ValueError(f"not a repository name: it {name_mistake(text)}")
        return super().__new__(cls, text)


class Target(Value, frozen=True):
    """What is crawled: a registry, or the part of it under a prefix of repository names.

    Attributes:
        registry: HOST[:PORT], in lower case.
        prefix: whole components of a name (`team/app`), without a slash at the end; "" for the whole registry.
    """

    registry: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `HOST[:PORT][/PREFIX]`. Raises ValueError, whose message says what is wrong and what to write instead.

        A domain-scoped project of Google may be written with its colon: `gcr.io/example.com:my-project`.
        """
        return cls(*parse_target(text))

    @property
    def host(self) -> str:
        """The host without the port; an IPv6 address without its brackets."""
        return split_port(self.registry)[0].strip("[]")

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)

    def covers(self, name: str) -> bool:
        """Whether a repository of that name is under the prefix."""
        return not self.prefix or name == self.prefix or name.startswith(f"{self.prefix}/")

    def __str__(self) -> str:
        return f"{self.registry}/{self.prefix}" if self.prefix else self.registry


def is_loopback(host: str) -> bool:
    """Whether a host, given as a name or an IP address, is this machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
