"""What the tests of the digest cache put into it, and what they read from its file."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from crawler.digest_cache.cache import DigestCache
from crawler.digest_cache.values import Content
from support.digests import digest_of


def layer(number: int) -> str:
    """A digest that stands for a layer."""
    return digest_of(b"layer %d" % number)


def content(number: int) -> Content:
    """A config of about 1.5 KB, with eight layers and a history that all of them share."""
    history = [{"created_by": f"RUN /bin/sh -c {hashlib.sha256(b'%d' % step).hexdigest()}"} for step in range(8)]
    config = {"rootfs": {"diff_ids": [layer(1000 * number + n) for n in range(4)]}, "history": history}
    return Content(json.dumps(config).encode(), None)


def entries(cache: DigestCache, numbers: Iterable[int]) -> set[int]:
    """Which of the contents a cache has."""
    return {number for number in numbers if cache.has(digest_of(content(number).body))}


def sqlite_rows(path: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of a query on a database file; what the query changes is committed."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        return database.execute(query, values).fetchall()
