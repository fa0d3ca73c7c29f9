"""The content of the benchmark's registries, as response bodies.

Every repository of a registry has the same listing, so that a server has next to nothing to do and the client is what
is measured. Sizes are those that registries send: a plain listing of two dozen tags, and Google's with eight images;
manifests of 1.7 KB with eight layers, and configs of 4 KB. Each image is another one, as a cache of digests needs it.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
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


def _few() -> dict[str, Any]:
    return {"tags": [f"v1.{minor}.0" for minor in range(8)]}


def _giant() -> dict[str, Any]:
    return {"tags": [f"build-{number:06d}" for number in range(TAGS_OF_A_GIANT)]}


_LISTINGS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "tiny": _tiny,
    "few": _few,
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


MANIFEST_TYPE: Final = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG_TYPE: Final = "application/vnd.docker.container.image.v1+json"
_LAYER_TYPE: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_BASE_LAYERS: Final = 5
_OWN_LAYERS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The image behind a tag."""

    repository: str
    tag: str
    manifest: bytes
    config: bytes

    @property
    def digest(self) -> str:
        return _digest(self.manifest)

    @property
    def manifest_path(self) -> str:
        return f"/v2/{self.repository}/manifests/{self.tag}"

    @property
    def config_path(self) -> str:
        return f"/v2/{self.repository}/blobs/{_digest(self.config)}"


def images(repositories: int, kind: str) -> Iterator[Image]:
    """The image behind each tag of each repository. All images of a repository have one base, as releases do."""
    tags = _LISTINGS[kind]()["tags"]
    return (_image(name(number), tag) for number, tag in product(range(repositories), tags))


def _image(repository: str, tag: str) -> Image:
    layers = [f"{repository} {number}" for number in range(_BASE_LAYERS)]
    layers += [f"{repository} {tag} {number}" for number in range(_OWN_LAYERS)]
    config = _config(repository, tag, layers)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": {"mediaType": _CONFIG_TYPE, "size": len(config), "digest": _digest(config)},
        "layers": [
            {"mediaType": _LAYER_TYPE, "size": 3_415_511 + number, "digest": _digest(layer.encode())}
            for number, layer in enumerate(layers)
        ],
    }
    return Image(repository=repository, tag=tag, manifest=json.dumps(manifest, indent=3).encode(), config=config)


def _config(repository: str, tag: str, layers: list[str]) -> bytes:
    commit = hashlib.sha256(f"{repository} {tag}".encode()).hexdigest()[:40]
    created = "2026-11-20T04:17:25.114937211Z"
    run = "RUN /bin/sh -c apt-get update && apt-get install -y --no-install-recommends ca-certificates # buildkit"
    document = {
        "architecture": "amd64",
        "config": {
            "User": "1000:1000",
            "ExposedPorts": {"8080/tcp": {}},
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", f"VERSION={tag}"],
            "Entrypoint": ["/usr/local/bin/service"],
            "Cmd": ["--listen", ":8080"],
            "WorkingDir": "/srv",
            "Labels": {
                "org.opencontainers.image.revision": commit,
                "org.opencontainers.image.source": f"https://git.example.com/{repository}",
                "org.opencontainers.image.title": repository,
                "org.opencontainers.image.version": tag,
            },
        },
        "created": created,
        "history": [
            {"created": created, "created_by": f"{run} {layer}", "comment": "buildkit.dockerfile.v0"}
            for layer in (*layers, *layers)
        ],
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [_digest(f"diff {layer}".encode()) for layer in layers]},
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"
