"""The content of the benchmark's registries, as response bodies.

Every repository of a registry has the same listing, so that a server has next to nothing to do and the client is what
is measured. Sizes are those that registries send: a plain listing of two dozen tags, and Google's with eight images.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any, Final

NAMES_PER_PAGE: Final = 1000
TAGS_OF_A_GIANT: Final = 200_000

FOLDER: Final = "all"
"""A name whose listing has every repository as a child, as Google's has, for a tree walk."""

TOKEN: Final = json.dumps({"token": "t" * 600, "expires_in": 300, "issued_at": "2026-11-23T02:00:00Z"}).encode()
"""As long as a registry's JWT."""

ACCESS_TOKEN: Final = json.dumps({"access_token": "a" * 200, "expires_in": 3600, "token_type": "Bearer"}).encode()


def name(number: int) -> str:
    return f"team-{number % 40:02d}/service-{number:07d}"


def pages(repositories: int) -> int:
    return -(-repositories // NAMES_PER_PAGE)


def catalog_page(repositories: int, page: int) -> bytes:
    numbers = range(page * NAMES_PER_PAGE, min((page + 1) * NAMES_PER_PAGE, repositories))
    return json.dumps({"repositories": [name(number) for number in numbers]}).encode()


def next_link(repositories: int, page: int) -> str | None:
    """The `Link` header of a page, whose cursor is opaque as a registry's is; None on the last."""
    if page + 1 >= pages(repositories):
        return None
    return f'</v2/_catalog?n={NAMES_PER_PAGE}&page={page + 1}>; rel="next"'


# One body serves for the listings of all repositories, and so names none: another's name would be refused.


def _tiny() -> dict[str, Any]:
    return {"tags": ["latest"]}


def _plain() -> dict[str, Any]:
    return {"tags": [f"v1.{minor}.{minor % 7}" for minor in range(30, 67)]}


def _google() -> dict[str, Any]:
    manifests = {}
    for number in range(8):
        commit = hashlib.sha256(b"commit %d" % number).hexdigest()[:40]
        digest = hashlib.sha256(b"image %d" % number).hexdigest()
        manifests[f"sha256:{digest}"] = {
            "imageSizeBytes": str(66_283_401 + number * 104_729),
            "layerId": "",
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "tag": [f"v1.{number}.0", commit, f"main-{commit}-20261123"],
            "timeCreatedMs": str(1_744_216_614_945 + number * 86_400_000),
            "timeUploadedMs": str(1_744_222_782_187 + number * 86_400_000),
        }
    tags = [tag for manifest in manifests.values() for tag in manifest["tag"]]
    return {"child": [], "manifest": manifests, "tags": tags}


def _giant() -> dict[str, Any]:
    return {"tags": [f"build-{number:06d}" for number in range(TAGS_OF_A_GIANT)]}


_LISTINGS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "tiny": _tiny,
    "plain": _plain,
    "google": _google,
    "giant": _giant,
}


def listing(kind: str) -> bytes:
    """The body of `tags/list`, written as registries in Go write it: without blanks."""
    return json.dumps(_LISTINGS[kind](), separators=(",", ":")).encode()


def folder_listing(repositories: int) -> bytes:
    """The body of the `tags/list` of `FOLDER`."""
    children = [name(number).replace("/", "-") for number in range(repositories)]
    return json.dumps({"child": children, "manifest": {}, "name": FOLDER, "tags": []}).encode()
