"""Repositories that will be asked about soon, in groups that share a token where the registry grants one for many."""

from collections.abc import Iterable
from typing import Final

MAX_BATCH_BYTES: Final = 6000
"""Characters of one group's scopes: token servers read no longer request lines than 8 KB."""

_REFUSALS: Final = 10
"""Scopes of shared tokens that must have been refused before the share of them says anything."""


class ScopeBatcher:
    """Groups of at most `size` scopes, in the order in which they are expected.

    Off, and every scope by itself, once a token for several was refused three times, or did not serve for half of the
    scopes that it was asked for.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._groups: dict[str, tuple[str, ...]] = {}
        self._refused_requests = 0
        self._refused_scopes = 0
        self._asked_scopes = 0

    def expect(self, scopes: Iterable[str]) -> None:
        """Scopes that will be needed, soon and in this order."""
        if not self._is_on:
            return
        group: list[str] = []
        length = 0
        for scope in scopes:
            length += len(scope)
            if group and (len(group) == self._size or length > MAX_BATCH_BYTES):
                self._close(group)
                group, length = [], len(scope)
            group.append(scope)
        self._close(group)

    def _close(self, group: list[str]) -> None:
        scopes = tuple(group)
        self._groups |= dict.fromkeys(scopes, scopes)

    def group_of(self, scope: str) -> tuple[str, ...]:
        """The scopes to ask for together with this one."""
        group = self._groups.get(scope)
        return (scope,) if group is None or not self._is_on else group

    def on_requested(self, group: tuple[str, ...]) -> None:
        """A token was asked for a group: what of it is needed once more is needed by itself."""
        self._asked_scopes += len(group)
        for scope in group:
            self._groups.pop(scope, None)

    def on_request_refused(self) -> None:
        """The token server refused one for a group."""
        self._refused_requests += 1

    def on_scope_refused(self) -> None:
        """The registry did not take a shared token for one of its scopes: less was granted than was asked for."""
        self._refused_scopes += 1

    @property
    def _is_on(self) -> bool:
        serves = self._refused_scopes < max(_REFUSALS, self._asked_scopes / 2)
        return self._size > 1 and self._refused_requests < 3 and serves
