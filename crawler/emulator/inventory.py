"""What is in the registry: all of it made from a number, and none of it kept but the names."""

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
_TAIL_EXPONENT = 0.9  # Pareto's: half of the repositories have one or two tags, one in twenty has dozens
_TAIL_TAGS = 300
_FEWEST_FOR_EACH_KIND = 20  # repositories from which on every kind asked for occurs


class Kind(StrEnum):
    """What a catalogued repository answers when its tags are asked for."""

    NORMAL = "normal"
    EMPTY = "empty"
    VANISHED = "vanished"
    DENIED = "denied"


class Listing(TypedDict):
    """Google's answer to tags/list."""

    child: list[str]
    manifest: dict[str, Image]
    name: str
    tags: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A catalogued repository as it truly is. `listing` is None where the registry answers none."""

    name: str
    kind: Kind
    listing: Listing | None


class Inventory:
    """The registry's repositories. `names` is the whole catalog, sorted; `projects` is where a walk begins.

    Of Artifact Registry, those that one of its hosts serves: the registry's own, unless `host` is another.
    Listings are made anew each time, and equal each time.
    """

    def __init__(self, settings: Settings, *, host: str = "") -> None:
        role = settings.artifact_registry
        if role is None:
            self._seed = str(settings.seed)
            self.projects: Sequence[str] = (settings.project,)
            self._lasting = frozenset(self.projects)
            self.names: Sequence[str] = draw_names(
                seed=settings.seed, project=settings.project, count=settings.repositories
            )
        else:
            host = host or role.host
            # The same name on another host is another image.
            self._seed = f"{settings.seed}/{host}"
            self.projects = role.projects
            repositories = docker_repositories(role, seed=settings.seed)
            folders = [repository.folder for repository in repositories if repository.host == host]
            self._lasting = frozenset((*self.projects, *folders))
            self.names = draw_image_names(seed=self._seed, repositories=folders, count=settings.repositories)
        drawn = iter(self._by_lot())
        self._unusual = _draw_unusual(drawn, settings)
        self._giants = frozenset(islice(drawn, round(settings.giants * settings.repositories)))

    def kind(self, name: str) -> Kind | None:
        """None for a name that is not catalogued, a mere folder's for instance."""
        at = bisect_left(self.names, name)
        if at == len(self.names) or self.names[at] != name:
            return None
        return self._unusual.get(name, Kind.NORMAL)

    def listing(self, name: str) -> Listing | None:
        """The answer to tags/list, for a mere folder too; None where the registry answers none."""
        kind = self.kind(name)
        if kind in (Kind.VANISHED, Kind.DENIED):
            return None
        children = self._children(name)
        if kind is None and not children and name not in self._lasting:
            return None
        images = self._images(name) if kind is Kind.NORMAL else {}
        return {"child": children, "manifest": images, "name": name, "tags": tags_of(images)}

    def page(self, *, last: str, n: int) -> Sequence[str]:
        """The first `n` names of the catalog that come after `last`, which need not be one of them."""
        start = bisect_right(self.names, last)
        return self.names[start : start + n]

    def below(self, folder: str) -> Sequence[str]:
        """The names below a folder, at any depth."""
        # "0" follows "/" in the alphabet.
        return self.names[bisect_left(self.names, f"{folder}/") : bisect_left(self.names, f"{folder}0")]

    def nodes(self) -> Sequence[str]:
        """Every node of the tree from the projects down, folders and repositories, sorted.

        A walk asks for each of them once. A folder has children, an emptied repository has none; a vanished
        one is still its parent's child.
        """
        found = set(self.projects)
        for name in self.names:
            node = name
            while node not in found:
                found.add(node)
                node = node.rpartition("/")[0]
        return sorted(found)

    def truth(self) -> Iterator[Repository]:
        """Every catalogued repository in the catalog's order: what a perfect crawl finds."""
        for name in self.names:
            kind = self._unusual.get(name, Kind.NORMAL)
            yield Repository(name=name, kind=kind, listing=self.listing(name))

    def _by_lot(self) -> list[str]:
        # Folders come last: a vanished folder would hide its children from those who walk the tree, and an
        # emptied one would look like a mere folder to them.
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
            child, below, _ = self.names[at].removeprefix(prefix).partition("/")
            found.add(child)
            # "0" follows "/": everything below the child is skipped at once.
            at = bisect_left(self.names, f"{prefix}{child}0", at) if below else at + 1
        return sorted(found)

    def _images(self, name: str) -> dict[str, Image]:
        draw = Random(f"{self._seed}/images/{name}")
        if name in self._giants:
            return draw_images(draw, tags=draw.randint(*_GIANT_TAGS))
        return draw_images(draw, tags=min(int(draw.paretovariate(_TAIL_EXPONENT)), _TAIL_TAGS))


def tags_of(images: Mapping[str, Image]) -> list[str]:
    """All of their tags, as a listing orders them."""
    return sorted(tag for image in images.values() for tag in image["tag"])


def _draw_unusual(drawn: Iterator[str], settings: Settings) -> dict[str, Kind]:
    unusual: dict[str, Kind] = {}
    for kind, share in (
        (Kind.EMPTY, settings.empty),
        (Kind.VANISHED, settings.vanished),
        (Kind.DENIED, settings.denied),
    ):
        count = _count(share, of=settings.repositories)
        unusual.update(dict.fromkeys(islice(drawn, count), kind))
    return unusual


def _count(share: float, *, of: int) -> int:
    least = 1 if share > 0 and of >= _FEWEST_FOR_EACH_KIND else 0
    return max(least, round(share * of))
