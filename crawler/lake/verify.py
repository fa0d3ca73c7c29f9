"""Whether a snapshot's data is what its `_run.json` says: a damaged file must not get into a lake."""

import hashlib
from typing import Final

from crawler.errors import SnapshotError
from crawler.model.run_manifest import RunManifest
from crawler.snapshot.disk import wrap_os_errors
from crawler.tables.selection import SelectedSnapshot
from crawler.untrusted_text import quoted_path

_ADVICE: Final = "nothing is published; take the snapshot again"


def verify_files(snapshot: SelectedSnapshot, run_manifest: RunManifest) -> None:
    """Check the size and the checksum of every data file, and with them its rows. Raises SnapshotError."""
    for path, described in zip(snapshot.data_files, run_manifest.files, strict=True):
        with wrap_os_errors(path), path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
        if size != described.bytes:
            raise SnapshotError(
                f"{quoted_path(path)} has {size:,} bytes, and {described.bytes:,} by its _run.json: {_ADVICE}"
            )
        if sha256 != described.sha256:
            raise SnapshotError(f"{quoted_path(path)} has another checksum than its _run.json says: {_ADVICE}")
