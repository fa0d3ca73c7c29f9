"""Environment variables: `REGISTRY_CRAWLER_` and a key, its parts joined by `__`, in either case."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, Self

from crawler.config.keys import merge, nest
from crawler.config.values import strip_bom_and_newline
from crawler.model.value import Value
from crawler.untrusted_text import printable

ENVIRONMENT_PREFIX: Final = "REGISTRY_CRAWLER_"

CREDENTIAL_KEYS: Final = ("username", "password")
"""Keys of `registry.auth` that have a short variable too: REGISTRY_CRAWLER_USERNAME and REGISTRY_CRAWLER_PASSWORD."""

# Kubernetes sets such variables in every pod of a namespace that holds a Service named registry-crawler:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_KUBERNETES_SERVICE_VARIABLE = re.compile(
    rf"{ENVIRONMENT_PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


class Environment(Value, frozen=True):
    """The configuration that the environment holds.

    Attributes:
        tree: The values of the long variables, nested as the tables of a file.
        credentials: The values of the short variables, by their key in `registry.auth`.
        variables: For each dotted key that is set, its variable, spelt as in the environment.
        errors: One line for each variable that has the prefix and sets no key.
    """

    tree: Mapping[str, Any]
    credentials: Mapping[str, str]
    variables: Mapping[str, str]
    errors: Sequence[str]

    @classmethod
    def read(cls, environ: Mapping[str, str], keys: Sequence[str]) -> Self:
        """Read the variables that have the prefix and are not empty. `keys` are all valid keys, dotted."""
        long_names = {ENVIRONMENT_PREFIX + key.replace(".", "__").upper(): key for key in keys}
        short_names = {ENVIRONMENT_PREFIX + key.upper(): key for key in CREDENTIAL_KEYS}
        values = {
            name: text
            for name, value in environ.items()
            if _has_prefix(name) and (text := strip_bom_and_newline(value))
        }
        tree: Mapping[str, Any] = {}
        for name, text in values.items():
            if (key := long_names.get(name.upper())) is not None:
                tree = merge(tree, nest(key.split("."), text))
        by_key = {long_names[name.upper()]: name for name in values if name.upper() in long_names}
        by_credential = {short_names[name.upper()]: name for name in values if name.upper() in short_names}
        unknown = [name for name in values if name.upper() not in long_names | short_names]
        return cls(
            tree=tree,
            credentials={key: values[name] for key, name in by_credential.items()},
            variables=by_key | {f"registry.auth.{key}": name for key, name in by_credential.items()},
            errors=_unknown_variable_errors(unknown, [*long_names, *short_names]),
        )


def _has_prefix(name: str) -> bool:
    return name.upper().startswith(ENVIRONMENT_PREFIX)


def _unknown_variable_errors(unknown: Sequence[str], known: Sequence[str]) -> list[str]:
    of_services = [name for name in unknown if _KUBERNETES_SERVICE_VARIABLE.fullmatch(name)]
    errors = [_unknown_variable_error(name, known) for name in unknown if name not in of_services]
    if of_services:
        errors.append(
            f"{', '.join(of_services)}: unknown variable: Kubernetes sets it for a Service of that name; "
            "set enableServiceLinks: false for the pod"
        )
    return errors


def _unknown_variable_error(name: str, known: Sequence[str]) -> str:
    quoted = printable(name, 120)
    inner = [variable for variable in known if variable.startswith(f"{name.upper()}__")]
    if inner:
        return f"{quoted}: names a table; each key of it has a variable of its own, such as {inner[0]}"
    close = get_close_matches(name.upper(), known, n=1, cutoff=0.8)
    return f"{quoted}: unknown variable" + (f"; did you mean {close[0]}?" if close else "")
