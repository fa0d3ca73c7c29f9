"""Environment variables: `REGISTRY_CRAWLER_` and a key, its parts joined by `__`, in either case."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, Self

from crawler.config.keys import merged, nested
from crawler.config.values import without_ends
from crawler.untrusted_text import printable

ENVIRONMENT_PREFIX: Final = "REGISTRY_CRAWLER_"

SHORT_NAMES: Final = ("username", "password")
"""Keys of `registry.auth` that have a variable of their own beside `REGISTRY__AUTH__…`."""

# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_OF_A_SERVICE = re.compile(
    rf"{ENVIRONMENT_PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


@dataclass(frozen=True, slots=True)
class Environment:
    """What the variables say.

    Attributes:
        tree: The keys that are set, as the tables of a file hold them.
        short: The keys that are set by a short name.
        names: For each key that is set, dotted, the variable as it is spelt.
        mistakes: A line for each variable that sets no key.
    """

    tree: Mapping[str, Any]
    short: Mapping[str, str]
    names: Mapping[str, str]
    mistakes: Sequence[str]

    @classmethod
    def read(cls, variables: Mapping[str, str], keys: Sequence[str]) -> Self:
        """Take those that begin with our prefix and are not empty; `keys` are all that there are, dotted."""
        known = {ENVIRONMENT_PREFIX + key.replace(".", "__").upper(): key for key in keys}
        short = {ENVIRONMENT_PREFIX + name.upper(): name for name in SHORT_NAMES}
        given = {name: text for name, value in variables.items() if _is_ours(name) and (text := without_ends(value))}
        tree: Mapping[str, Any] = {}
        for name, text in given.items():
            if (key := known.get(name.upper())) is not None:
                tree = merged(tree, nested(key.split("."), text))
        named = {known[name.upper()]: name for name in given if name.upper() in known}
        by_short = {short[name.upper()]: name for name in given if name.upper() in short}
        return cls(
            tree=tree,
            short={key: given[name] for key, name in by_short.items()},
            names=named | {f"registry.auth.{key}": name for key, name in by_short.items()},
            mistakes=_mistakes([name for name in given if name.upper() not in known | short], [*known, *short]),
        )


def _is_ours(name: str) -> bool:
    return name.upper().startswith(ENVIRONMENT_PREFIX)


def _mistakes(unknown: Sequence[str], known: Sequence[str]) -> list[str]:
    of_a_service = [name for name in unknown if _OF_A_SERVICE.fullmatch(name)]
    mistakes = [_mistake(name, known) for name in unknown if name not in of_a_service]
    if of_a_service:
        mistakes.append(
            f"{', '.join(of_a_service)}: unknown variable: Kubernetes sets it for a Service of that name; "
            "set enableServiceLinks: false for the pod"
        )
    return mistakes


def _mistake(name: str, known: Sequence[str]) -> str:
    shown = printable(name, 120)
    below = [variable for variable in known if variable.startswith(f"{name.upper()}__")]
    if below:
        return f"{shown}: a table of keys, and no key: each has a variable of its own, such as {below[0]}"
    close = get_close_matches(name.upper(), known, n=1, cutoff=0.8)
    return f"{shown}: unknown variable" + (f"; did you mean {close[0]}?" if close else "")
