"""Which entries a list had so far, and which of them again since it was begun anew: in 8 bytes an entry.

A catalog may have ten million names. A set of them takes 109 bytes for each; digests that are kept sorted take 8.
"""

import os
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Final

MAX_EXACT: Final = 10_000
"""Entries that are kept as they are, in a megabyte. Nearly every list has fewer, and digests take ten times as long."""

_BUCKET_BITS: Final = 12
"""A digest's first bits choose its bucket: in 4096 of them an insertion moves little, with 100,000,000 entries too."""
_SHIFT: Final = 64 - _BUCKET_BITS


class SeenEntries:
    """The entries of a list that is read once, or in several passes: each restart begins another pass.

    After 10,000 entries it knows digests alone: see `EntrySet`.
    """

    def __init__(self, max_exact: int = MAX_EXACT) -> None:
        self._max_exact = max_exact
        self._salt = random_salt()
        self._earlier = self._empty()  # of the passes before this one
        self._current = self._empty()
        self._again = 0  # entries of this pass that are in `_earlier`

    def add(self, entries: Sequence[str]) -> tuple[list[str], int]:
        """Add the entries of a page, which differ. Returns those that no page had, and how many are new in this pass.

        The first are among the second.
        """
        new = self._current.add(entries)
        fresh = self._earlier.without(new)
        self._again += len(new) - len(fresh)
        return fresh, len(new)

    def begin_pass(self) -> None:
        """The list is read anew: from here on, its entries are new in this pass again."""
        self._earlier.update(self._current)
        self._current = self._empty()
        self._again = 0

    @property
    def missing(self) -> int:
        """How many entries of earlier passes this pass has not had."""
        return len(self._earlier) - self._again

    def _empty(self) -> "EntrySet":
        return EntrySet(self._salt, self._max_exact)


def random_salt() -> bytes:
    return os.urandom(blake2b.SALT_SIZE)


class EntrySet:
    """A set of entries: the entries themselves while they are few, then their digests.

    From the 10,001st entry on, an entry counts as one of the set where its digest is. Some two of n entries have the
    same digest with the probability n² ÷ 2⁶⁵: 3 in a million for ten million entries. The digests are salted with
    random bytes, so that no name can be chosen which hides another one.
    """

    __slots__ = ("_max_exact", "_salt", "digests", "entries")

    def __init__(self, salt: bytes, max_exact: int = MAX_EXACT) -> None:
        """`salt` is random, and the same in sets that are put together."""
        self._salt = salt
        self._max_exact = max_exact
        self.entries: set[str] = set()
        self.digests: _SortedDigests | None = None

    def __len__(self) -> int:
        return len(self.entries if self.digests is None else self.digests)

    def add(self, entries: Sequence[str]) -> list[str]:
        """Add entries, which differ. Returns those that were not in the set."""
        if self.digests is not None:
            add, digest = self.digests.add, self._digest
            return [entry for entry in entries if add(digest(entry))]
        new = self.without(entries)
        self.entries.update(new)
        if len(self.entries) > self._max_exact:
            self._keep_digests()
        return new

    def without(self, entries: Sequence[str]) -> list[str]:
        """Those of the entries that are not in the set."""
        if self.digests is None:
            return [entry for entry in entries if entry not in self.entries]
        return [entry for entry in entries if self._digest(entry) not in self.digests]

    def update(self, other: "EntrySet") -> None:
        """Add all of another set, which has the same salt."""
        if self.digests is None and other.digests is None:
            self.entries |= other.entries
            if len(self.entries) <= self._max_exact:
                return
        digests = self._keep_digests()
        for digest in map(self._digest, other.entries) if other.digests is None else other.digests:
            digests.add(digest)

    def _keep_digests(self) -> "_SortedDigests":
        """From now on keep digests instead of entries."""
        if self.digests is None:
            self.digests = _SortedDigests()
            for entry in self.entries:
                self.digests.add(self._digest(entry))
            self.entries = set()
        return self.digests

    def _digest(self, entry: str) -> int:
        encoded = entry.encode("utf-8", "surrogatepass")
        return int.from_bytes(blake2b(encoded, digest_size=8, salt=self._salt).digest(), "big")


class _SortedDigests:
    """A set of numbers of 64 bits that are evenly distributed, as digests are."""

    __slots__ = ("_buckets", "_count")

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(1 << _BUCKET_BITS)]
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, digest: int) -> bool:
        bucket = self._buckets[digest >> _SHIFT]
        place = bisect_left(bucket, digest)
        return place < len(bucket) and bucket[place] == digest

    def __iter__(self) -> Iterator[int]:
        for bucket in self._buckets:
            yield from bucket

    def add(self, digest: int) -> bool:
        """Add a digest. Returns whether it was not in the set."""
        bucket = self._buckets[digest >> _SHIFT]
        place = bisect_left(bucket, digest)
        if place < len(bucket) and bucket[place] == digest:
            return False
        bucket.insert(place, digest)
        self._count += 1
        return True
