"""How the records of shards become those of one run: line by line, in one part file for each part of a shard."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from crawler.errors import SnapshotError
from crawler.model.run_manifest import SnapshotFile
from crawler.scale.group import Group
from crawler.snapshot.disk import wrap_os_errors
from crawler.snapshot.parts import LineFinisher, describe_part, part_name, read_lines, write_lines
from crawler.snapshot.shards import StoredShard
from crawler.untrusted_text import printable, quoted_path

# The fields that every record begins with, as `sinks/jsonl.py` writes them: a whole record may have megabytes.
_TEXT: Final = rb'"((?:[^"\\]|\\.)*)"'
_HEAD: Final = re.compile(
    rb'\{"schema":\d+,"run_id":'
    + _TEXT
    + rb',"target":'
    + _TEXT
    + rb',"registry":'
    + _TEXT
    + rb',"repository":'
    + _TEXT
)


def write_merged_parts(
    group: Group, run_id: str, folder: Path, compression: str, finish_line: LineFinisher | None
) -> tuple[SnapshotFile, ...]:
    """Write the records of all shards into a folder, as those of the run `run_id`.

    64 bits of each name are in memory, and one record. Raises SnapshotError where a file is not the one that its shard
    describes, and where two shards have recorded the same name.
    """
    merger = _Merger(run_id, finish_line)
    files: list[SnapshotFile] = []
    with wrap_os_errors(folder):
        for shard in group.shards:
            for described in shard.run_manifest.files:
                source = shard.folder / described.name
                if describe_part(source) != described:
                    raise SnapshotError(
                        f"{quoted_path(source)} is not what the _run.json of shard {shard.shard} describes: "
                        "copy the shard's folder again"
                    )
                place = folder / part_name(len(files), compression)
                write_lines(merger.lines(shard, source), place, compression)
                files.append(describe_part(place))
    return tuple(files)


class _Merger:
    """Rewrites lines, and remembers whose names they are."""

    def __init__(self, run_id: str, finish_line: LineFinisher | None) -> None:
        self._run_id = run_id.encode()
        self._finish_line = finish_line
        self._names: set[int] = set()

    def lines(self, shard: StoredShard, source: Path) -> Iterator[bytes]:
        own_run = shard.run_manifest.run_id.encode()
        for line in read_lines(source):
            head = _HEAD.match(line)
            if head is None or head[1] != own_run:
                raise SnapshotError(f"{quoted_path(source)}: a line is no record of run {shard.run_manifest.run_id}")
            name = hash(head[4])
            if name in self._names:
                raise SnapshotError(
                    f"{printable(head[4].decode())} is recorded by shard {shard.shard} and by another one: "
                    "please report this; nothing is published"
                )
            self._names.add(name)
            rewritten = line[: head.start(1)] + self._run_id + line[head.end(1) :]
            yield rewritten if self._finish_line is None else self._finish_line(rewritten)
