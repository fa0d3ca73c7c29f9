"""What the digest cache costs: time of each call, size of the file, memory.

    .venv/bin/python tests/perf/digest_cache.py [CONTENTS]

The contents are like those of a registry of 2,000 applications on 40 base images, whose versions differ in their dates,
labels and last layers: half are manifests of 8 layers, half configs of 6 KB with 16 steps of history.
"""

import hashlib
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import mean
from typing import Any, Final

from crawler.digest_cache.cache import DigestCache
from crawler.digest_cache.union import unite
from crawler.digest_cache.values import Content, KnownImage

_OCI: Final = "application/vnd.oci.image"
_SYLLABLES: Final = (
    "con",
    "fig",
    "ser",
    "app",
    "data",
    "lib",
    "dev",
    "pro",
    "in",
    "stall",
    "up",
    "co",
    "net",
    "work",
    "py",
    "go",
)
_COMMANDS: Final = ("RUN /bin/sh -c ", "COPY ", "ENV ", "RUN /bin/sh -c apt-get install -y --no-install-recommends ")


@dataclass(frozen=True, slots=True)
class _Part:
    """What a base image or an application adds to an image."""

    history: list[dict[str, Any]]
    diff_ids: list[str]
    layers: list[dict[str, Any]]
    env: list[str]


class _Registry:
    """Makes contents. The same number makes the same ones."""

    def __init__(self, number: int) -> None:
        self._random = random.Random(number)
        self._words = ["".join(self._random.choices(_SYLLABLES, k=1 + n % 3)) for n in range(2500)]
        self._weights = [1 / (n + 3) for n in range(2500)]  # as often as words of a language
        bases = [self._part((2, 3, 3, 40, 60), steps=10, layers=4) for _ in range(40)]
        self._apps = [(self._random.choice(bases), self._part((2, 4, 6, 20), steps=6, layers=2)) for _ in range(2000)]

    def contents(self) -> Iterator[tuple[str, Content]]:
        while True:
            base, app = self._random.choice(self._apps)
            own = self._part((), steps=0, layers=2)
            config = json.dumps(self._config(base, app, own), separators=(",", ":")).encode()
            manifest = json.dumps(self._manifest(config, base, app, own), separators=(",", ":")).encode()
            yield _digest(manifest), Content(manifest, f"{_OCI}.manifest.v1+json")
            yield _digest(config), Content(config, None)

    def layers(self, count: int) -> list[str]:
        return [f"sha256:{self._random.randbytes(32).hex()}" for _ in range(count)]

    def _part(self, lengths: tuple[int, ...], *, steps: int, layers: int) -> _Part:
        return _Part(
            [self._step(self._random.choice(lengths)) for _ in range(steps)],
            self.layers(layers),
            [self._layer() for _ in range(layers)],
            [f"{self._text(1)}={self._random.randbytes(20).hex()}" for _ in range(3 if steps else 0)],
        )

    def _step(self, words: int) -> dict[str, Any]:
        command = f"{self._random.choice(_COMMANDS)}{self._text(words)} # buildkit"
        return {"created": self._time(), "created_by": command, "comment": "buildkit.dockerfile.v0"}

    def _layer(self) -> dict[str, Any]:
        (digest,) = self.layers(1)
        size = self._random.randrange(100, 90_000_000)
        return {"mediaType": f"{_OCI}.layer.v1.tar+gzip", "digest": digest, "size": size}

    def _config(self, base: _Part, app: _Part, own: _Part) -> dict[str, Any]:
        history = [{**step, "created": self._time()} for step in app.history]
        labels = {"org.opencontainers.image.revision": self._random.randbytes(20).hex(), "version": self._time()}
        return {
            "architecture": "amd64",
            "config": {
                "User": "app",
                "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", *base.env, *app.env],
                "Labels": labels,
            },
            "created": self._time(),
            "history": base.history + history,
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": base.diff_ids + app.diff_ids + own.diff_ids},
        }

    def _manifest(self, config: bytes, *parts: _Part) -> dict[str, Any]:
        return {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": {"mediaType": f"{_OCI}.config.v1+json", "digest": _digest(config), "size": len(config)},
            "layers": [layer for part in parts for layer in part.layers],
        }

    def _text(self, words: int) -> str:
        chosen = self._random.choices(self._words, self._weights, k=words)
        return " ".join(f"{self._random.choice(('', '', '--', '/usr/lib/', '&& '))}{word}" for word in chosen)

    def _time(self) -> str:
        day, second = self._random.randrange(1, 29), self._random.randrange(60)
        return f"2026-11-{day:02}T02:10:{second:02}.{self._random.randrange(10**9):09}Z"


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _timed(name: str, function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> None:
    """Print what calls of a function take."""
    times = []
    for call in arguments:
        started = time.perf_counter()
        function(*call)
        times.append((time.perf_counter() - started) * 1e6)
    times.sort()
    median, late = times[len(times) // 2], times[len(times) * 99 // 100]
    print(
        f"{name:<13} median {median:6.1f} µs, mean {mean(times):6.1f} µs, 99 % {late:7.1f} µs, last {times[-1]:8.0f} µs"
    )


def _measure(path: Path, count: int) -> None:
    registry = _Registry(1)
    digests: list[str] = []
    with DigestCache.open(path) as cache:

        def contents() -> Iterator[tuple[str, Content]]:
            for digest, content in islice(registry.contents(), count):
                digests.append(digest)
                yield digest, content

        _timed("put", cache.put, contents())
        some = [(digest,) for digest in random.Random(2).choices(digests, k=min(count, 20_000))]
        _timed("get", cache.get, some)
        _timed("has", cache.has, some)
        images = [registry.layers(20) for _ in range(3000)]
        image = KnownImage(digest=digests[0], config_digest=digests[1], reference="registry.example.com/team/app:1.2.3")
        _timed("add_image", cache.add_image, ((layers[:12], image) for layers in images))
        _timed("longest_base", cache.longest_base, ((layers,) for layers in images))
    size = path.stat().st_size
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"file          {size / 1e6:.1f} MB, {size / count:.0f} bytes a content; peak memory {peak_mb:.0f} MB")
    started = time.perf_counter()
    union = unite(path.with_name("united.sqlite"), [path])
    print(f"unite         {union.added:,} contents and images into a new file in {time.perf_counter() - started:.1f} s")
    with DigestCache.open(path) as cache:
        started = time.perf_counter()
        freed = cache.keep_only(digests[::3])
        print(f"keep_only     of every third: {freed / 1e6:.1f} MB in {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        _measure(Path(folder) / "digests.sqlite", int(sys.argv[1]) if len(sys.argv) > 1 else 30_000)
