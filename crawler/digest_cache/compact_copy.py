"""How is the whole cache copied into one plain file, while crawls may go on writing to it?"""

import sqlite3
from contextlib import closing
from pathlib import Path

from crawler.digest_cache.file import Unfit, open_to_read
from crawler.untrusted_text import quoted_path


def write_compact_copy(path: Path, copy: Path) -> None:
    """Copy the cache as it is at this moment, without free pages, and without a log beside the copy.

    The copy has mode 0600, and must not be there yet. Raises Unfit where one of the two files is not usable.
    """
    database = open_to_read(path)
    if database is None:
        raise Unfit("it is empty")
    with closing(database):
        copy.touch(0o600, exist_ok=False)
        try:
            database.execute("PRAGMA query_only = OFF")  # it forbids writing to any file; only the copy is written
            database.execute("VACUUM INTO ?", (str(copy),))
        except sqlite3.Error as exc:
            raise Unfit(f"it cannot be copied to {quoted_path(copy)}: {exc}") from None
