"""The answers of an auditor about an emulator's registry, from what the emulator knows; without the crawler's own code.

An answer is two sets: what is so, and what cannot be known from outside.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from crawler.emulator import ImageFacts, Inventory

DIGEST_TAG = re.compile(r"sha256-[0-9a-f]{64}(\.(sig|att|sbom))?")
UNREAD = ("dangling-tag", "manifest-unreadable", "schema1", "digest-mismatch")
KIND_UNKNOWN = ("dangling-tag", "manifest-unreadable")
ROOT = (None, "", "0", "root")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REPRODUCIBLE = datetime(1981, 1, 1, tzinfo=UTC)
_SPDX = "https://spdx.dev/Document"


class Truth(NamedTuple):
    """What is so, and what is unknown."""

    yes: set[tuple[Any, ...]]
    unknown: set[tuple[Any, ...]]


class Found(NamedTuple):
    """A manifest of a repository, and the entry of the listing that names it."""

    repository: str
    digest: str
    facts: ImageFacts
    listed: Any

    @property
    def key(self) -> tuple[str, str]:
        return self.repository, self.digest

    @property
    def is_named(self) -> bool:
        """Whether it has a tag that is no digest: an image or an index that people pull."""
        tags = [tag for tag in self.facts["tags"] if not DIGEST_TAG.fullmatch(tag)]
        return bool(tags) and self.facts["kind"] in {"image", "index"}

    @property
    def is_of_unknown_kind(self) -> bool:
        return self.facts["problem"] in KIND_UNKNOWN

    @property
    def images(self) -> list[dict[str, Any]]:
        """The entries of an index that are images."""
        entries = self.facts["platforms"] or []
        return [entry for entry in entries if "vnd.docker.reference.digest" not in entry.get("annotations", {})]

    @property
    def built_at(self) -> datetime | None:
        """When it was built; None for what reproducible builds write."""
        time = _time(self.listed["timeCreatedMs"])
        return time if time is not None and time >= _REPRODUCIBLE else None


class AuditTruth:
    """Answers about an inventory at a time. Manifests that vanish while they are read are in none of them."""

    def __init__(self, inventory: Inventory, now: datetime) -> None:
        self._inventory = inventory
        self._now = now
        self._found = list(_found(inventory))
        self._by_key = {found.key: found for found in self._found}
        self._by_repository: dict[str, list[Found]] = defaultdict(list)
        for found in self._found:
            self._by_repository[found.repository].append(found)

    def stale(self, days: int) -> Truth:
        limit, truth = self._now - timedelta(days=days), Truth(set(), set())
        for found in filter(lambda found: found.is_named, self._found):
            children = [self._by_key.get((found.repository, entry["digest"])) for entry in found.images]
            built = [child.built_at for child in children if child is not None and child.built_at is not None]
            date = found.built_at or max(built, default=None) or _time(found.listed["timeUploadedMs"])
            if date is None:
                truth.unknown.add(found.key)
            elif date < limit:
                truth.yes.add(found.key)
        return truth

    def untouched(self, days: int) -> Truth:
        limit, truth = self._now - timedelta(days=days), Truth(set(), set())
        for repository in self._inventory.truth():
            if repository.listing is None:
                continue
            times = [_time(found.listed["timeUploadedMs"]) for found in self._by_repository[repository.name]]
            known = [time for time in times if time is not None]
            if known and max(known) >= limit:
                continue
            (truth.yes if known and len(known) == len(times) else truth.unknown).add((repository.name,))
        return truth

    def duplicates(self) -> Truth:
        copies: dict[str, list[Found]] = defaultdict(list)
        for found in self._found:
            if found.facts["kind"] in {"image", "index"}:
                copies[found.digest].append(found)
        several = {digest for digest, each in copies.items() if len(each) > 1 and any(one.is_named for one in each)}
        return Truth({(digest, *sorted(one.repository for one in copies[digest])) for digest in several}, set())

    def root(self) -> Truth:
        truth = Truth(set(), set())
        for found in self._found:
            if found.facts["kind"] != "image":
                continue
            config = found.facts["config"]
            if found.facts["problem"] in UNREAD or config is None:
                truth.unknown.add(found.key)
            elif config["config"].get("User") in ROOT:
                truth.yes.add(found.key)
        return truth

    def single_platform(self, platform: str) -> Truth:
        truth = Truth(set(), set())
        for found in filter(lambda found: found.is_named, self._found):
            config = found.facts["config"]
            if found.facts["problem"] in UNREAD or (found.facts["kind"] == "image" and config is None):
                truth.unknown.add(found.key)
                continue
            described = [config] if config is not None else [entry["platform"] for entry in found.images]
            if {f"{each['os']}/{each['architecture']}" for each in described} == {platform}:
                truth.yes.add(found.key)
        return truth

    def bases(self) -> Truth:
        """With the digest of the base, where it is named, and its family."""
        truth = Truth(set(), set())
        family_of = {found.digest: _family(found.repository) for found in self._found if "/base/" in found.repository}
        for found in self._found:
            if found.facts["kind"] != "image":
                continue
            config, source = found.facts["config"], found.facts["base_from"]
            if found.facts["problem"] in UNREAD or config is None or source is None:
                truth.unknown.add(found.key)
                continue
            claims = {"annotation": found.facts["manifest"].get("annotations"), "label": config["config"].get("Labels")}
            claim = claims.get(source)
            digest = found.facts["base_digest"] if claim is None else claim.get("org.opencontainers.image.base.digest")
            family = family_of[digest or ""] if claim is None else _family(claim["org.opencontainers.image.base.name"])
            truth.yes.add((*found.key, digest, source, family))
        return truth

    def unsigned(self) -> Truth:
        truth = Truth(set(), set())
        for found in filter(lambda found: found.is_named, self._found):
            if "signature" not in self._attached_kinds(found):
                (truth.unknown if found.is_of_unknown_kind else truth.yes).add(found.key)
        return truth

    def without_sbom(self) -> Truth:
        truth = Truth(set(), set())
        for found in filter(lambda found: found.is_named, self._found):
            children = [self._by_key.get((found.repository, entry["digest"])) for entry in found.images]
            known = [child for child in children if child is not None]
            lacking = [child for child in known if not self._has_sbom(child)]
            if self._has_sbom(found) or (children and len(known) == len(children) and not lacking):
                continue
            is_unknown = found.is_of_unknown_kind or (found.facts["kind"] == "index" and not lacking)
            (truth.unknown if is_unknown else truth.yes).add(found.key)
        return truth

    def bytes_by_component(self, number: int) -> Truth:
        """With the bytes of all layers, and of those that no other component uses. `number` counts from 1."""
        sizes: dict[str, int] = {}
        users: dict[str, set[str]] = defaultdict(set)
        unread, components = set(), set()
        for found in self._found:
            component = [*found.repository.split("/"), *[""] * number][number - 1]
            components.add(component)
            if found.facts["problem"] in UNREAD:
                unread.add(component)
                continue
            for layer in found.facts["layers"] or ():
                sizes[layer["digest"]] = layer["size"]
                users[layer["digest"]].add(component)
        truth = Truth(set(), set())
        for component in components:
            used = [digest for digest, theirs in users.items() if component in theirs]
            alone = [digest for digest in used if users[digest] == {component}]
            row = (component, sum(sizes[digest] for digest in used), sum(sizes[digest] for digest in alone))
            (truth.unknown if component in unread else truth.yes).add(row)
        return truth

    def _attached_kinds(self, found: Found) -> set[str]:
        """The kinds of what refers to an image: by its subject, by cosign's tag, or beside it in an index."""
        kinds = set()
        hexadecimal = found.digest.removeprefix("sha256:")
        for other in self._by_repository[found.repository]:
            tags = other.facts["tags"]
            if other.facts["subject_digest"] == found.digest or any(
                tag.startswith(f"sha256-{hexadecimal}.") for tag in tags
            ):
                kinds.add(other.facts["kind"])
        return kinds

    def _has_sbom(self, found: Found) -> bool:
        return "sbom" in self._attached_kinds(found) or any(
            layer["annotations"]["in-toto.io/predicate-type"] == _SPDX for layer in self._attestation_layers(found)
        )

    def _attestation_layers(self, found: Found) -> Iterator[dict[str, Any]]:
        for index in self._by_repository[found.repository]:
            for entry in index.facts["platforms"] or ():
                if entry.get("annotations", {}).get("vnd.docker.reference.digest") == found.digest:
                    yield from self._by_key[found.repository, entry["digest"]].facts["layers"] or ()


def _found(inventory: Inventory) -> Iterator[Found]:
    for repository in inventory.truth():
        if repository.listing is None:
            continue
        for digest, facts in inventory.facts(repository.name).items():
            if facts["problem"] != "vanished-tag":
                yield Found(repository.name, digest, facts, repository.listing["manifest"][digest])


def _time(milliseconds: str) -> datetime | None:
    return _EPOCH + timedelta(milliseconds=int(milliseconds)) if milliseconds != "0" else None


def _family(name: str) -> str:
    """The letters that the last path component begins with: `debian` of `gcr.io/my-project/base/debian12:12.1`."""
    match = re.match("[a-z]*", name.rpartition("/")[2])
    assert match is not None
    return match[0]
