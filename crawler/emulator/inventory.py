"""The registry's content, generated from the seed. Only names are kept in memory; listings are made on demand."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from random import Random
from typing import TypedDict

from crawler.emulator.images import Image, draw_images
from crawler.emulator.names import draw_image_names, draw_names
from crawler.emulator.repositories import docker_repositories
from crawler.emulator.settings import Settings

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

    A listing is generated at each call; equal calls give equal listings.
    """

    def __init__(self, settings: Settings, *, host: str = "") -> None:
        role = settings.artifact_registry
        if role is None:
            self._seed = str(settings.seed)
            self.projects: Sequence[str] = (settings.project,)
            self._permanent_nodes = frozenset(self.projects)
            self.names: Sequence[str] = draw_names(
                seed=settings.seed, project=settings.project, count=settings.repositories
            )
        else:
            host = host or role.host
            # Each host has a seed of its own: the same name on another host is another image.
            self._seed = f"{settings.seed}/{host}"
            self.projects = role.projects
            repositories = docker_repositories(role, seed=settings.seed)
            folders = [repository.folder for repository in repositories if repository.host == host]
            self._permanent_nodes = frozenset((*self.projects, *folders))
            self.names = draw_image_names(seed=self._seed, repositories=folders, count=settings.repositories)
        drawn = iter(self._shuffled_names())
        self._kinds = _assign_kinds(drawn, settings)
        self._giants = frozenset(islice(drawn, round(settings.giants * settings.repositories)))

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
        images = self._images(name) if kind is Kind.NORMAL else {}
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

    def _shuffled_names(self) -> list[str]:
        # Repositories with children come last, so that they get a special kind only if no others are left: a vanished
        # one would hide its children from a tree walk, and an empty one would look like a folder without images.
        lot = Random(f"{self._seed}/kinds").sample(self.names, len(self.names))
        lot.sort(key=self._has_children)
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

    def _images(self, name: str) -> dict[str, Image]:
        draw = Random(f"{self._seed}/images/{name}")
        if name in self._giants:
            return draw_images(draw, tags=draw.randint(*_GIANT_TAGS))
        return draw_images(draw, tags=min(int(draw.paretovariate(_TAIL_EXPONENT)), _TAIL_TAGS))


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
