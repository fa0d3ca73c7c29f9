"""What one step found: its state, a sentence, and what mends it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """How a step ended."""

    OK = "ok"
    WARNING = "warning"
    """A crawl would run, and its snapshot would be partial, or cost more than it must; or the step took too long."""
    FAILURE = "failure"
    """A crawl would end with exit code 1: it would publish nothing, or not to the lake."""
    SKIPPED = "skipped"
    """Not tried: the crawl does not need it, or an earlier step failed. Nothing is known."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The end of a step.

    Attributes:
        found: one sentence, fit for a terminal; never a secret.
        advice: what mends it; "" where nothing is amiss, or `found` says it.
    """

    state: State
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was tried, or skipped."""

    name: str
    finding: Finding


def ok(found: str) -> Finding:
    return Finding(State.OK, found)


def warning(found: str, advice: str) -> Finding:
    return Finding(State.WARNING, found, advice)


def failure(found: str, advice: str) -> Finding:
    return Finding(State.FAILURE, found, advice)


def skipped(reason: str) -> Finding:
    return Finding(State.SKIPPED, reason)


_WORST_FIRST: Final = (State.FAILURE, State.WARNING)


def worst_state(steps: list[Step]) -> State:
    """FAILURE or WARNING where a step has it, else OK."""
    states = {step.finding.state for step in steps}
    return next((state for state in _WORST_FIRST if state in states), State.OK)
