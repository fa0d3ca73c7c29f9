"""The entries that a list had so far are known exactly as a plain set would know them, in 8 bytes each."""

import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.registry.seen_entries import MAX_EXACT, SeenEntries

PAGE = st.lists(st.integers(0, 40).map(lambda number: f"team/app-{number}") | st.text(), unique=True, max_size=12)
STEPS = st.lists(PAGE | st.just("begin a pass"), max_size=30)


class PlainEntries:
    """The same, with plain sets."""

    def __init__(self) -> None:
        self.earlier: set[str] = set()
        self.current: set[str] = set()

    def add(self, page: Sequence[str]) -> tuple[list[str], int]:
        new = [entry for entry in page if entry not in self.current]
        self.current.update(new)
        return [entry for entry in new if entry not in self.earlier], len(new)

    def begin_pass(self) -> None:
        self.earlier |= self.current
        self.current = set()

    @property
    def missing(self) -> int:
        return len(self.earlier - self.current)


@given(steps=STEPS, max_exact=st.sampled_from([0, 3, 20, MAX_EXACT]))
def test_seen_entries_agree_with_plain_sets(steps: Sequence[str | list[str]], max_exact: int) -> None:
    seen, plain = SeenEntries(max_exact), PlainEntries()
    for step in steps:
        if isinstance(step, str):
            seen.begin_pass()
            plain.begin_pass()
        else:
            assert seen.add(step) == plain.add(step)
        assert seen.missing == plain.missing


@pytest.mark.parametrize("is_ascending", [True, False])
def test_seen_entries_know_each_of_a_hundred_thousand(*, is_ascending: bool) -> None:
    names = sorted((f"team-{number % 97}/app-{number}" for number in range(100_000)), reverse=not is_ascending)
    seen = SeenEntries()
    for start in range(0, len(names), 1000):
        page = names[start : start + 1000]
        assert seen.add(page) == (page, 1000)
    for start in range(0, len(names), 10_000):
        assert seen.add(names[start : start + 10_000]) == ([], 0)
    seen.begin_pass()
    assert seen.missing == 100_000
    assert seen.add([*names[:10], "new"]) == (["new"], 11)
    assert seen.missing == 99_990


def test_seen_entries_take_at_most_twelve_bytes_each() -> None:
    seen = SeenEntries()
    tracemalloc.start()
    try:
        for start in range(0, 300_000, 1000):
            seen.add([f"team/app-{number}" for number in range(start, start + 1000)])
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 300_000 * 12
