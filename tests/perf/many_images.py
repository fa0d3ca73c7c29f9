"""A snapshot of as many images as wanted: the emulator's, crawled once at depth `configs`, and then multiplied."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from perf.crawl import COMMAND
from perf.measure import run

REPOSITORIES: Final = 300
"""Of the emulator, whose images are a few thousand."""

_PROJECT: Final = b"my-project/"
_DIGEST: Final = re.compile(rb"sha256([:-])..")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyImages:
    """A published snapshot in an output folder."""

    output: Path
    images: int
    megabytes: float


def publish_many_images(folder: Path, images: int) -> ManyImages:
    """Publish a snapshot of at least so many images. Its copies share no repository and no digest with each other."""
    small = Path(mkdtemp(prefix="demo-", dir=folder))
    options = ("--depth=configs", "--referrers=listed", f"--repositories={REPOSITORIES}", f"--output={small}")
    run([COMMAND, "demo", *options])
    (manifest,) = small.glob("source=*/date=*/run=*/_run.json")
    run_manifest = json.loads(manifest.read_text())
    copies = -(-images // run_manifest["counts"]["images"])
    output = Path(mkdtemp(prefix="many-", dir=folder))
    target = output / manifest.parent.relative_to(small)
    target.mkdir(parents=True)
    file = _multiply(manifest.parent / "part-00000.jsonl", target / "part-00000.jsonl", copies)
    counts = {name: count and count * copies for name, count in run_manifest["counts"].items()}
    (target / manifest.name).write_text(json.dumps({**run_manifest, "counts": counts, "files": [file]}))
    (target / "_SUCCESS").touch()
    return ManyImages(output=output, images=counts["images"], megabytes=file["bytes"] / 1e6)


def _multiply(source: Path, target: Path, copies: int) -> dict[str, Any]:
    """Write the copies, and return what `_run.json` has of a file. A copy has its number in names and in digests."""
    lines = source.read_bytes()
    sha256, size, rows, longest = hashlib.sha256(), 0, 0, 0
    with target.open("wb") as out:
        for number in range(copies):
            copy = _DIGEST.sub(rb"sha256\g<1>%02x" % number, lines)
            copy = copy.replace(_PROJECT, b"%scopy-%03d/" % (_PROJECT, number))
            out.write(copy)
            sha256.update(copy)
            size += len(copy)
            each = copy.splitlines()
            rows += len(each)
            longest = max(longest, *map(len, each))
    return {
        "name": target.name,
        "rows": rows,
        "bytes": size,
        "sha256": sha256.hexdigest(),
        "longest_line": longest,
    }
