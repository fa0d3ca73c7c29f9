"""The emulator as the command line offers it: the roles it plays, and what to try on each."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from crawler.emulator import ArtifactRegistry

_CONFIG: Final = """\
# How to crawl the emulator: Google's kind of registry, whose APIs answer at its own address.
[[registry]]
kind = "{kind}"
location = "{location}"
auth.key_file = {key_file}
apis.artifact_registry = "http://{registry}"
apis.resource_manager = "http://{registry}"

[limits]
rate = "none"
"""


class Role(StrEnum):
    """The values of `emulator --role`."""

    GCR = "gcr"
    ARTIFACT_REGISTRY = "artifact-registry"
    CONTAINER_REGISTRY = "container-registry"

    @property
    def projects(self) -> list[str]:
        """Those that it holds unless others are named."""
        return ["my-project"] if self is Role.CONTAINER_REGISTRY else ["my-project", "other-project"]


class CatalogTold(StrEnum):
    """The values of `emulator --catalog`."""

    FULL = "full"
    EMPTY = "empty"
    NULL = "null"


def apis_of(role: Role, projects: list[str]) -> "ArtifactRegistry | None":
    """What stands behind a role. Raises ValueError for projects that it cannot have."""
    from crawler.emulator import ArtifactRegistry

    if role is not Role.CONTAINER_REGISTRY:
        return ArtifactRegistry(serves="gcr.io" if role is Role.GCR else "pkg.dev", projects=tuple(projects))
    if len(projects) > 1:
        raise ValueError("the gcr.io of old must have one --project only")
    return None


def worth_trying(
    role: Role, catalog: CatalogTold, *, registry: str, project: str, key_file: Path, config_file: Path
) -> list[str]:
    """Commands that crawl it. Where they need a configuration it is written. Raises OSError."""
    command = "registry-crawler crawl"
    if role is Role.CONTAINER_REGISTRY:
        if catalog is CatalogTold.FULL:
            return [f"{command} {registry} --key-file {key_file}"]
        return [f"{command} {registry}/{project} --kind gcr --rate none --key-file {key_file}"]
    text = _CONFIG.format(
        kind=role.value,
        location="us" if role is Role.GCR else "us-central1",
        key_file=json.dumps(str(key_file.absolute())),
        registry=registry,
    )
    # its table names no target, so it holds for any
    config_file.write_text(text, encoding="utf-8")
    return [f"{command} {target} --config {config_file}" for target in (registry, f"{registry}/{project}")]
