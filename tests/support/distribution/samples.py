"""A registry's content in the proportions of a real one: single images, and indexes that BuildKit made."""

import gzip
from collections.abc import Sequence
from typing import Any

from .content import DOCKER, LAYER, OCI, TAR, Content, built, image, image_config

PLATFORMS = ("linux/amd64", "linux/arm64/v8")
_USERS = (None, "", "0", "root", "1000:1000", "nonroot")
_OTHER_TAR = b"\0" * 2048
_LAYERS = {TAR: LAYER, _OTHER_TAR: gzip.compress(_OTHER_TAR, mtime=0)}
"""Layers by their uncompressed content."""


def sample(number: int) -> Content:
    """The image of a number: of ten numbers, three have an index of two platforms with an attestation each."""
    annotations = {"org.opencontainers.image.source": f"https://example.com/{number}"} if number % 4 == 1 else None
    # no image begins with all layers of another one: none is the base of another one
    tars = (_OTHER_TAR, TAR) if number % 3 == 1 else (TAR,)
    layers = [_LAYERS[tar] for tar in tars]
    if number % 10 in {2, 5, 8}:
        images = (image(_config(number, platform, tars), layers=layers) for platform in PLATFORMS)
        return built(*images, annotations=annotations)
    if number % 2:
        return image(_config(number, PLATFORMS[0], tars), OCI, layers=layers, annotations=annotations)
    return image(_config(number, PLATFORMS[0], tars), DOCKER, layers=layers)


def sample_repositories(repositories: int, tags: int) -> dict[str, dict[str, Content]]:
    """So many repositories with so many tags each. Each tag has an image of its own."""
    return {
        f"team-{number % 7}/app-{number}": {f"1.{tag}": sample(number * tags + tag) for tag in range(tags)}
        for number in range(repositories)
    }


def _config(number: int, platform: str, layers: Sequence[bytes]) -> dict[str, Any]:
    """A config with what an auditor asks for. Many keys are left out now and then, as builders do."""
    user = _USERS[number % len(_USERS)]
    runtime: dict[str, Any] = {
        "Env": ["PATH=/usr/local/bin:/usr/bin", f"BUILD={number}", "EMPTY=", "EQUATION=a=b"][: 1 + number % 4],
        "Entrypoint": ["/bin/app", "--serve"] if number % 3 else None,
        "Cmd": [f"--number={number}"],
        "Labels": {"team": f"team-{number % 7}", "org.opencontainers.image.version": f"1.{number}"},
        "WorkingDir": "/srv",
        "ExposedPorts": {"8080/tcp": {}, "53/udp": {}} if number % 4 == 0 else None,
        "User": user,
    }
    return image_config(
        platform=platform,
        layers=layers,
        created=f"202{number % 6}-01-02T03:04:05.{number:06d}789Z",
        history=[f"RUN build --number {number}"],
        **{key: value for key, value in runtime.items() if value is not None},
    )
