"""The registry's repositories, generated from the seed. Only names are kept in memory; listings are made on demand."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from random import Random
from typing import TypedDict

from crawler.emulator.base_images import BASE_NAMES, FOLDER, BaseImages
from crawler.emulator.builds import ApplicationBuilds, BaseBuilds, Builds
from crawler.emulator.contents import Contents
from crawler.emulator.draws import draw_bytes, fraction
from crawler.emulator.facts import ImageFacts, facts_of
from crawler.emulator.images import Image
from crawler.emulator.names import draw_image_names, draw_names
from crawler.emulator.repositories import docker_repositories
from crawler.emulator.settings import Settings
from crawler.emulator.shared_images import SharedImages
from crawler.emulator.traits import draw_traits

_GIANT_TAGS = (1000, 4000)
_TAIL_EXPONENT = 0.9  # of a Pareto distribution: half of the repositories have 1 or 2 tags, one in 20 has dozens
_TAIL_TAGS = 300
_MIN_REPOSITORIES_FOR_EVERY_KIND = 20  # from here on, every kind with a share above 0 occurs at least once


class Kind(StrEnum):
    """How the registry responds when the tags of a catalogued repository are listed."""

    NORMAL = "normal"
    EMPTY = "empty"
    VANISHED = "vanished"
    DENIED = "denied"


class Listing(TypedDict):
    """The body of Google's tags/list."""

    child: list[str]
    manifest: dict[str, Image]
    name: str
    tags: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A catalogued repository. `listing` is None if the registry responds with an error."""

    name: str
    kind: Kind
    listing: Listing | None


class Inventory:
    """The repositories of one registry host: the host that the settings name, unless `host` is given.

    names: every name in the catalog, sorted.
    projects: the first components of all names, where a walk of the tree begins.

    contents: the manifests and blobs behind the listings.

    A listing is generated at each call; equal calls give equal listings.
    """

    def __init__(self, settings: Settings, *, host: str = "") -> None:
        role = settings.artifact_registry
        if role is None:
            self._seed = str(settings.seed)
            self.projects: Sequence[str] = (settings.project,)
            folders = [settings.project]
            self._permanent_nodes = frozenset(self.projects)
        else:
            host = host or role.host
            # Each host has a seed of its own: the same name on another host is another image.
            self._seed = f"{settings.seed}/{host}"
            self.projects = role.projects
            repositories = docker_repositories(role, seed=settings.seed)
            folders = [repository.folder for repository in repositories if repository.host == host]
            self._permanent_nodes = frozenset((*self.projects, *folders))
        has_bases = settings.repositories >= _MIN_REPOSITORIES_FOR_EVERY_KIND
        self._base_of = {f"{folders[0]}/{FOLDER}/{base}": base for base in BASE_NAMES} if has_bases else {}
        count = settings.repositories - len(self._base_of)
        if role is None:
            drawn_names = draw_names(seed=settings.seed, project=settings.project, count=count)
        else:
            drawn_names = draw_image_names(seed=self._seed, repositories=folders, count=count)
        self.names: Sequence[str] = sorted((*drawn_names, *self._base_of))
        drawn = iter(self._shuffled_names())
        self._kinds = _assign_kinds(drawn, settings)
        self._giants = frozenset(islice(drawn, round(settings.giants * settings.repositories)))
        self._settings = settings
        self._bases = BaseImages(seed=self._seed, folder=f"{host or 'gcr.io'}/{folders[0]}", now_ms=settings.now_ms)
        self._shared = SharedImages(self._bases, seed=self._seed, project=self.projects[0], now_ms=settings.now_ms)
        self.contents = Contents(self._builds)

    def kind(self, name: str) -> Kind | None:
        """The kind of a catalogued repository; None for any other name, such as a folder without images."""
        at = bisect_left(self.names, name)
        if at == len(self.names) or self.names[at] != name:
            return None
        return self._kinds.get(name, Kind.NORMAL)

    def listing(self, name: str) -> Listing | None:
        """The body of tags/list, for a folder without images too; None if the registry responds with an error."""
        kind = self.kind(name)
        if kind in (Kind.VANISHED, Kind.DENIED):
            return None
        children = self._children(name)
        if kind is None and not children and name not in self._permanent_nodes:
            return None
        images = self.contents.listed(name)
        return {"child": children, "manifest": images, "name": name, "tags": tags_of(images)}

    def page(self, *, last: str, n: int) -> Sequence[str]:
        """The first `n` names of the catalog after `last`, which need not be in the catalog itself."""
        start = bisect_right(self.names, last)
        return self.names[start : start + n]

    def names_under(self, folder: str) -> Sequence[str]:
        """The names under a folder, at any depth."""
        # "0" is the character after "/" in ASCII, so this is the range of everything that begins with "folder/".
        return self.names[bisect_left(self.names, f"{folder}/") : bisect_left(self.names, f"{folder}0")]

    def nodes(self) -> Sequence[str]:
        """Every node of the tree from the projects down, folders and repositories, sorted.

        A tree walk requests each node once. A folder has children, an empty repository has none. A vanished
        repository is still listed as a child of its parent.
        """
        found = set(self.projects)
        for name in self.names:
            node = name
            while node not in found:
                found.add(node)
                node = node.rpartition("/")[0]
        return sorted(found)

    def truth(self) -> Iterator[Repository]:
        """Every catalogued repository, in the catalog's order: the expected result of a complete crawl."""
        for name in self.names:
            kind = self._kinds.get(name, Kind.NORMAL)
            yield Repository(name=name, kind=kind, listing=self.listing(name))

    def facts(self, name: str) -> dict[str, ImageFacts]:
        """What is true of each manifest of a repository, by digest: what a crawl behind the tags should find."""
        return facts_of(self.contents.entries(name))

    def _shuffled_names(self) -> list[str]:
        # Repositories with children come last, so that they get a special kind only if no others are left: a vanished
        # one would hide its children from a tree walk, and an empty one would look like a folder without images. So do
        # base images: without them, crawls could not find the base of any image.
        lot = Random(f"{self._seed}/kinds").sample(self.names, len(self.names))
        lot.sort(key=lambda name: name in self._base_of or self._has_children(name))
        return lot

    def _has_children(self, name: str) -> bool:
        at = bisect_left(self.names, f"{name}/")
        return at < len(self.names) and self.names[at].startswith(f"{name}/")

    def _children(self, folder: str) -> list[str]:
        prefix = f"{folder}/"
        found = set()
        at = bisect_left(self.names, prefix)
        while at < len(self.names) and self.names[at].startswith(prefix):
            child, rest, _ = self.names[at].removeprefix(prefix).partition("/")
            found.add(child)
            # "0" follows "/" in ASCII: skip everything under the child at once.
            at = bisect_left(self.names, f"{prefix}{child}0", at) if rest else at + 1
        return sorted(found)

    def _builds(self, name: str) -> Builds:
        is_normal = self.kind(name) is Kind.NORMAL
        if is_normal and name in self._base_of:
            return BaseBuilds(self._bases, self._base_of[name])
        key = f"{self._seed}/images/{name}"
        tags = self._tags(name, share=fraction(draw_bytes(key), 0)) if is_normal else 0
        return ApplicationBuilds(
            draw_traits(name, key=key, tags=tags),
            self._bases,
            self._shared,
            settings=self._settings,
            key=key,
            tags=tags,
        )

    def _tags(self, name: str, *, share: float) -> int:
        """The number of a repository's tags; `share` is drawn from 0 up to 1."""
        if name in self._giants:
            least, most = _GIANT_TAGS
            return least + round(share * (most - least))
        return min(int((1 - share) ** (-1 / _TAIL_EXPONENT)), _TAIL_TAGS)


def tags_of(images: Mapping[str, Image]) -> list[str]:
    """The tags of all images, in the order of a listing."""
    return sorted(tag for image in images.values() for tag in image["tag"])


def _assign_kinds(drawn: Iterator[str], settings: Settings) -> dict[str, Kind]:
    kinds: dict[str, Kind] = {}
    for kind, share in (
        (Kind.EMPTY, settings.empty),
        (Kind.VANISHED, settings.vanished),
        (Kind.DENIED, settings.denied),
    ):
        count = _count(share, repositories=settings.repositories)
        kinds.update(dict.fromkeys(islice(drawn, count), kind))
    return kinds


def _count(share: float, *, repositories: int) -> int:
    least = 1 if share > 0 and repositories >= _MIN_REPOSITORIES_FOR_EVERY_KIND else 0
    return max(least, round(share * repositories))
