"""What a run proves: of names that its snapshot does not have, and of what it has not looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import orjson

from crawler.errors import SnapshotError
from crawler.model.depth import Depth, ReferrersLevel
from crawler.model.globs import compile_globs
from crawler.model.names import Target
from crawler.profiles import PROFILES_BY_KIND, DiscoveryMethod
from crawler.tables.selection import SelectedSnapshot
from crawler.untrusted_text import printable, quoted_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which repositories a run looked at: those under the target's prefix that the filters let through."""

    target: Target
    include: tuple[str, ...]
    exclude: tuple[str, ...]

    def covers(self, name: str) -> bool:
        """Whether a repository of this name on the target's host is looked at."""
        if not self.target.covers(name):
            return False
        if self.include and compile_globs(self.include).fullmatch(name) is None:
            return False
        return not self.exclude or compile_globs(self.exclude).fullmatch(name) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How deep a run read. Problems and signatures are compared only between runs that read in the same way.

    Attributes:
        include_tags, exclude_tags: which tags were read.
    """

    depth: Depth
    referrers: ReferrersLevel
    include_tags: tuple[str, ...]
    exclude_tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRun:
    """One of the two runs that are compared, by its `_run.json`.

    Attributes:
        verdict: complete or partial.
        reasons: why it is partial.
        records: how many its files must hold.
        problems: how many it found.
        is_discovered: whether every name was found, with proof.
        unrecorded: how many of the names that were found have no record.
        is_name_list: whether the names came from a list that somebody wrote.
        lists_every_image: whether the registry lists images without a tag, too, so that one which is not listed does
            not exist.
        knows_images: whether any record has a list of images.
        location: the only location of Google's that was looked at; None where all were.
        source: what else decides what a listing has: the product's settings.
    """

    run_id: str
    target: Target
    started_at: str
    verdict: str
    reasons: tuple[str, ...]
    identity: str
    records: int
    problems: int
    is_discovered: bool
    unrecorded: int
    is_name_list: bool
    lists_every_image: bool
    knows_images: bool
    location: str | None
    scope: Scope
    reading: Reading
    source: tuple[str, ...]

    @classmethod
    def read(cls, snapshot: SelectedSnapshot) -> Self:
        """The run of a snapshot. Raises SnapshotError."""
        try:
            return cls._parse(orjson.loads(snapshot.run_manifest.read_bytes()))
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as exc:
            message = f"{quoted_path(snapshot.folder)} is no snapshot that can be read: {printable(str(exc))}"
            raise SnapshotError(message) from None

    @classmethod
    def _parse(cls, manifest: Mapping[str, Any]) -> Self:
        target = Target.parse(manifest["target"])
        discovery, registry, images = (
            manifest["discovery"],
            manifest["config"]["registry"],
            manifest["config"]["images"],
        )
        profile = PROFILES_BY_KIND.get(manifest["kind"])
        by_listing = registry.get("images_from") != "api"
        return cls(
            run_id=manifest["run_id"],
            target=target,
            started_at=manifest["started_at"],
            verdict=manifest["verdict"],
            reasons=tuple(manifest["reasons"]),
            identity=manifest["identity"],
            records=sum(file["rows"] for file in manifest["files"]),
            problems=manifest["counts"]["problems"],
            is_discovered=discovery["complete"] is True,
            unrecorded=max(0, discovery["repositories"] - manifest["counts"]["repositories"]),
            is_name_list=registry.get("repositories_from") is not None or discovery["method"] == DiscoveryMethod.LIST,
            # the API of Google lists no attachments, and other APIs give way to listings of tags
            lists_every_image=profile is not None and profile.is_google and by_listing,
            knows_images=manifest["counts"]["images"] is not None,
            location=registry.get("location"),
            scope=Scope(target=target, include=tuple(registry["include"]), exclude=tuple(registry["exclude"])),
            reading=Reading(
                depth=Depth(manifest["depth"]),
                referrers=ReferrersLevel(manifest["referrers"]),
                include_tags=tuple(images["include_tags"]),
                exclude_tags=tuple(images["exclude_tags"]),
            ),
            source=(manifest["kind"], str(registry.get("api_path"))),
        )
