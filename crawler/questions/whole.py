"""Whether a snapshot is whole on the disk. What a copy lacks must not read as a repository without faults."""

from pathlib import Path
from typing import Any

import orjson

from crawler.errors import SnapshotError
from crawler.snapshot.disk import wrap_os_errors
from crawler.tables.selection import SelectedSnapshot
from crawler.untrusted_text import printable, quoted_path


def check_whole(snapshot: SelectedSnapshot) -> None:
    """Compare the length of each file with what `_run.json` says. Raises SnapshotError."""
    with wrap_os_errors(snapshot.folder):
        claimed = _claimed_bytes(snapshot.run_manifest)
        for file in snapshot.data_files:
            found = file.stat().st_size
            if found != claimed[file.name]:
                message = f"{quoted_path(file)} holds {found:,} bytes, and its _run.json says {claimed[file.name]:,}"
                raise SnapshotError(f"{message}: was it copied whole?")


def _claimed_bytes(file: Path) -> dict[str, int]:
    """Raises OSError and SnapshotError."""
    try:
        run_manifest: dict[str, Any] = orjson.loads(file.read_bytes())
        return {part["name"]: int(part["bytes"]) for part in run_manifest["files"]}
    except (KeyError, TypeError, ValueError) as exc:
        raise SnapshotError(f"{quoted_path(file)} is no run manifest that can be read: {printable(str(exc))}") from None
