"""What may be wrong with an image, and the manifests that are wrong in themselves."""

from typing import Final

import orjson

from crawler.emulator.draws import draw_bytes, fraction
from crawler.emulator.manifests import DOCKER_MANIFEST, SCHEMA1, Entry, Json, Manifest, digest_of

DANGLING: Final = "dangling-tag"
VANISHED: Final = "vanished-tag"
CHILD_MISSING: Final = "index-child-missing"
CONFIG_MISSING: Final = "config-missing"
UNREADABLE: Final = "manifest-unreadable"
OLD_SCHEMA: Final = "schema1"
ORPHAN: Final = "orphan-referrer"
MISMATCH: Final = "digest-mismatch"

_PROBLEMS: Final = (DANGLING, VANISHED, CHILD_MISSING, CONFIG_MISSING, UNREADABLE, OLD_SCHEMA, ORPHAN)
ABSENT: Final = frozenset((DANGLING, VANISHED))
"""Problems of a manifest that is listed and not served."""


def draw_problem(drawn: bytes, *, broken: float, mismatched: float) -> str | None:
    """The problem of an image, by shares of all images."""
    if fraction(drawn, 40) < broken:
        return _PROBLEMS[drawn[42] % len(_PROBLEMS)]
    return MISMATCH if fraction(drawn, 44) < mismatched else None


def unreadable(key: str) -> Manifest:
    """A manifest that is not JSON: such as a proxy's error page that was pushed."""
    body = f"<html><title>502 Bad Gateway</title>{draw_bytes(key).hex()}</html>".encode()
    return Manifest(
        digest=digest_of(body),
        body=body,
        media_type=DOCKER_MANIFEST,
        kind="image",
    )


def old_schema(key: str, *, name: str) -> Manifest:
    """An image of Docker's first schema, which has no config blob (distribution/distribution, manifest/schema1)."""
    drawn = draw_bytes(key)
    history = {"architecture": "amd64", "os": "linux", "id": drawn.hex(), "created": "2015-03-04T05:06:07Z"}
    document: Json = {
        "schemaVersion": 1,
        "name": name,
        "tag": "1.0",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": f"sha256:{drawn[:32].hex()}"}],
        "history": [{"v1Compatibility": orjson.dumps(history).decode()}],
        "signatures": [{"header": {"alg": "ES256"}, "signature": drawn[32:].hex(), "protected": "e30"}],
    }
    body = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    return Manifest(
        digest=digest_of(body),
        body=body,
        media_type=SCHEMA1,
        kind="image",
    )


def served_body(entry: Entry) -> bytes:
    """The bytes that the registry sends for a manifest."""
    body = entry.manifest.body
    return body + b"\n" if entry.problem == MISMATCH else body
