"""Commands that take the options of another one: each option is written once."""

import inspect
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any


class TextOrJson(StrEnum):
    """How a command that takes the options of a crawl prints what it says of each target."""

    TEXT = "text"
    JSON = "json"


def takes_options(
    load: Callable[..., Any], *others: Callable[..., None]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a command that takes the options of `load`, whose result is its first argument, and its own.

    The options of `others` are taken as well, and left alone: so that the options of one command suit another.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        loaded, own = _parameters(load), _parameters(command)[1:]

        def decorated(**given: Any) -> None:
            command(load(**_picked(given, loaded)), **_picked(given, own))

        decorated.__name__, decorated.__doc__ = command.__name__, command.__doc__
        merged = {
            each.name: each for each in (*loaded, *own, *(each for other in others for each in _parameters(other)))
        }
        signature = inspect.Signature([each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in merged.values()])
        vars(decorated)["__signature__"] = signature  # which typer reads
        return decorated

    return decorate


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def _picked(given: dict[str, Any], parameters: Iterable[inspect.Parameter]) -> dict[str, Any]:
    return {each.name: given[each.name] for each in parameters}
