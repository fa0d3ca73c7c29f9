"""The command that is measured, as a user runs it, and whether it did what it was measured for."""

import json
import shutil
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from perf.measure import BenchBroken, Running, Usage, started

COMMAND: Final = str(Path(sys.executable).with_name("registry-crawler"))

BASIC: Final = "Basic " + b64encode(b"oauth2accesstoken:" + b"a" * 200).decode()
"""The header that the `access-token` flow sends, for the other clients to send as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawled:
    """What a crawl cost, and how many exchanges it made."""

    usage: Usage
    exchanges: int


class Crawling:
    """A crawl under way. Made by `crawling`."""

    def __init__(self, running: Running, output: Path) -> None:
        self.output = output
        self._running = running

    def finish(self, repositories: int) -> Crawled:
        """Wait for the end. Raises BenchBroken where not each of so many repositories was listed."""
        usage = self._running.finish()
        manifest = _manifest(self.output)
        if manifest["verdict"] != "complete" or manifest["counts"]["ok"] != repositories:
            raise BenchBroken(f"a crawl of {repositories} repositories came to {manifest['counts']}")
        return Crawled(usage=usage, exchanges=manifest["requests"]["total"])


@contextmanager
def crawling(
    folder: Path, target: str, *options: str, concurrency: int, env: Mapping[str, str] | None = None
) -> Iterator[Crawling]:
    """Crawl, into a snapshot that is dropped when the block ends."""
    output = Path(mkdtemp(prefix="snapshots-", dir=folder))
    ours = [f"--output={output}", "--no-progress", f"--concurrency={concurrency}", "--rate=none"]
    try:
        with started([COMMAND, "crawl", target, *ours, *options], env=env) as running:  # the last of two flags counts
            yield Crawling(running, output)
    finally:
        shutil.rmtree(output, ignore_errors=True)


def crawl(
    folder: Path,
    target: str,
    *options: str,
    repositories: int,
    concurrency: int,
    env: Mapping[str, str] | None = None,
) -> Crawled:
    with crawling(folder, target, *options, concurrency=concurrency, env=env) as under_way:
        return under_way.finish(repositories)


def write_key(file: Path, host: str) -> None:
    """A service account's key, whose owner gives access tokens at `http://HOST/oauth`."""
    account = {
        "type": "service_account",
        "project_id": "bench",
        "private_key_id": "1",
        "private_key": _private_key(),
        "client_email": "bench@bench.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"http://{host}/oauth",
    }
    file.write_text(json.dumps(account))


@cache
def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _manifest(output: Path) -> dict[str, Any]:
    (file,) = output.glob("source=*/date=*/run=*/_run.json")
    return dict(json.loads(file.read_text()))
