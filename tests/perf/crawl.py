"""Run the measured command as a user does, and check that it listed every repository."""

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
"""The Authorization header of the `access-token` flow, which the other clients send as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crawled:
    """The cost of a crawl, and its number of exchanges."""

    usage: Usage
    exchanges: int


class Crawling:
    """A running crawl. Made by `crawling`."""

    def __init__(self, running: Running, output: Path) -> None:
        self.output = output
        self._running = running

    def finish(self, repositories: int) -> Crawled:
        """Wait for the end. Raises BenchBroken unless every repository was listed."""
        usage = self._running.finish()
        manifest = _manifest(self.output)
        if manifest["verdict"] != "complete" or manifest["counts"]["ok"] != repositories:
            raise BenchBroken(f"a crawl of {repositories} repositories came to {manifest['counts']}")
        return Crawled(usage=usage, exchanges=manifest["requests"]["total"])


@contextmanager
def crawling(
    folder: Path, target: str, *options: str, concurrency: int, env: Mapping[str, str] | None = None
) -> Iterator[Crawling]:
    """Crawl into a snapshot that is deleted at the end of the block."""
    output = Path(mkdtemp(prefix="snapshots-", dir=folder))
    ours = [f"--output={output}", "--no-progress", f"--concurrency={concurrency}", "--rate=none"]
    try:
        with started([COMMAND, "crawl", target, *ours, *options], env=env) as running:  # of equal flags, the last wins
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
    """Write a service account's key with the token_uri `http://HOST/oauth`."""
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
