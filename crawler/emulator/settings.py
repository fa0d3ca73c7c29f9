"""What an emulated registry is asked to be."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from crawler.emulator.names import is_name

_LONGEST_PROJECT = 100  # leaves room for the folders below it in a name
_ID = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_ORIGIN = re.compile(r"https?://[-.a-z0-9]+(?::[0-9]+)?")

GCR_LOCATIONS: Mapping[str, str] = MappingProxyType(
    {"gcr.io": "us", "us.gcr.io": "us", "eu.gcr.io": "europe", "asia.gcr.io": "asia"}
)
"""Where each gcr.io host has its repository in every project. The repository is called what the host is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRegistry:
    """What makes the registry one that Artifact Registry serves, with Google's REST APIs behind it.

    Raises ValueError for what no registry can be.

    serves: LOCATION-docker.pkg.dev, whose images are PROJECT/REPOSITORY/IMAGE, or one of today's gcr.io hosts, whose
        images are PROJECT/IMAGE: those of the project's repository that is called what the host is.
    projects: those that the account may see into.
    denied_projects: those that the search for projects tells of, and all else answers 403 for.
    deleted_projects: those whose deletion has been requested: still told of, and 403 as well.
    api_disabled_projects: those that do without Artifact Registry: still told of, and 403 that says so.
    locations: where each project has repositories; with a gcr.io host, at the host's own location too.
    location: the one of them that a pkg.dev serves. Only REST tells of the images of other hosts.
    repositories_per_location: of the Docker format, those of the gcr.io hosts aside; each project has repositories
        of other formats besides.
    resource_manager: "disabled" lets neither the search for projects nor the catalog answer.
    api_page: entries in a page of the APIs, however many the client asks for.
    api_quota_per_s: exchanges with the APIs served in any one second; the registry's own quota spares them.
    """

    serves: Literal["pkg.dev", "gcr.io", "us.gcr.io", "eu.gcr.io", "asia.gcr.io"] = "pkg.dev"
    projects: tuple[str, ...] = ("my-project", "other-project")
    denied_projects: tuple[str, ...] = ()
    deleted_projects: tuple[str, ...] = ("retired-project",)
    api_disabled_projects: tuple[str, ...] = ()
    locations: tuple[str, ...] = ("us-central1", "europe-west1")
    location: str = "us-central1"
    repositories_per_location: int = 3
    resource_manager: Literal["enabled", "disabled"] = "enabled"
    api_page: int = 1000
    api_quota_per_s: int | None = None

    def __post_init__(self) -> None:
        if self.serves != "pkg.dev" and self.serves not in GCR_LOCATIONS:
            raise ValueError(f"what is served must be pkg.dev or one of {', '.join(GCR_LOCATIONS)}: {self.serves!r}")
        _check_ids(*self.projects, *self.denied_projects, *self.deleted_projects, *self.api_disabled_projects)
        _check_ids(*self.locations)
        if self.serves == "pkg.dev" and self.location not in self.locations:
            raise ValueError(f"{self.location!r} must be one of the locations {self.locations}")
        _check_at_least(
            1,
            projects=len(self.projects),
            repositories_per_location=self.repositories_per_location,
            api_page=self.api_page,
            api_quota_per_s=1 if self.api_quota_per_s is None else self.api_quota_per_s,
        )

    @property
    def host(self) -> str:
        """What the registry is called in production."""
        return pkg_dev(self.location) if self.serves == "pkg.dev" else self.serves

    @property
    def all_locations(self) -> tuple[str, ...]:
        """Where each project has repositories of any host, in the order that the API tells them in."""
        own = () if self.serves == "pkg.dev" else (GCR_LOCATIONS[self.serves],)
        return tuple(dict.fromkeys((*own, *self.locations)))


def pkg_dev(location: str) -> str:
    """The host of a location's repositories, but for the images that gcr.io hosts serve under shorter names."""
    return f"{location}-docker.pkg.dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The same settings always make the same registry. Raises ValueError for settings that make none.

    `giants`, `empty`, `vanished` and `denied` are shares of `repositories`; `unavailable`, `resets` and `truncated`
    are shares of the exchanges with the registry and with the APIs. A share lies between 0 and 1.

    repositories: how many names the catalog holds.
    seed: the number from which inventory and weather are made.
    project: the first part of every repository's name; beside `artifact_registry`, which has projects of its
        own, only the one that the service account belongs to.
    giants: repositories that have tags by the thousand.
    empty: repositories whose listing holds neither image nor tag.
    vanished: repositories whose listing answers 404.
    denied: repositories whose listing answers 403, although a token for them is granted.
    latency_s: seconds before any answer, to which up to `latency_jitter_s` seconds are added at random.
    unavailable: exchanges answered with 503.
    resets: exchanges whose connection is reset before an answer.
    truncated: exchanges whose answer breaks off in the middle of its body.
    quota_per_s: exchanges served in any one second; those above it are answered with 429.
    catalog_page: names in a catalog page, however many the client asks for.
    catalog: what the catalog tells: every name, or as today's gcr.io an empty list or null in place of it.
    tags_page: images in a page of a listing, however many the client asks for. None cuts nothing but what Artifact
        Registry cuts: at `n` where the client sends one.
    origin: what challenges call the registry, where a front that ends TLS stands before it: https://gcr.io, for
        instance. None is its own address over http, as which its key file knows it in any case.
    artifact_registry: None makes the registry the gcr.io of old, which has one project and no APIs, and never pages.
    """

    repositories: int = 2000
    seed: int = 1
    project: str = "my-project"
    giants: float = 0.002
    empty: float = 0.01
    vanished: float = 0.01
    denied: float = 0.0
    latency_s: float = 0.0
    latency_jitter_s: float = 0.0
    unavailable: float = 0.0
    resets: float = 0.0
    truncated: float = 0.0
    quota_per_s: int | None = None
    catalog_page: int = 1000
    catalog: Literal["full", "empty", "null"] = "full"
    tags_page: int | None = None
    origin: str | None = None
    artifact_registry: ArtifactRegistry | None = None
    access_token_lifetime_s: int = 3599
    registry_token_lifetime_s: int = 300

    def __post_init__(self) -> None:
        if len(self.project) > _LONGEST_PROJECT or not is_name(self.project):
            raise ValueError(f"not the beginning of a repository's name: {self.project!r}")
        if self.origin is not None and not _ORIGIN.fullmatch(self.origin):
            raise ValueError(f"the origin must be http://HOST[:PORT] or https://HOST[:PORT], not {self.origin!r}")
        _check_shares(giants=self.giants, empty=self.empty, vanished=self.vanished, denied=self.denied)
        _check_shares(unavailable=self.unavailable, resets=self.resets, truncated=self.truncated)
        _check_at_least(
            0,
            repositories=self.repositories,
            latency_s=self.latency_s,
            latency_jitter_s=self.latency_jitter_s,
        )
        _check_at_least(
            1,
            quota_per_s=1 if self.quota_per_s is None else self.quota_per_s,
            catalog_page=self.catalog_page,
            tags_page=1 if self.tags_page is None else self.tags_page,
            access_token_lifetime_s=self.access_token_lifetime_s,
            registry_token_lifetime_s=self.registry_token_lifetime_s,
        )


def _check_shares(**shares: float) -> None:
    if any(not 0 <= share <= 1 for share in shares.values()) or sum(shares.values()) > 1:
        raise ValueError(f"shares must lie between 0 and 1 and add up to no more than 1: {shares}")


def _check_at_least(least: int, **values: float) -> None:
    for name, value in values.items():
        if not value >= least:
            raise ValueError(f"{name} must be at least {least}, not {value}")


def _check_ids(*ids: str) -> None:
    if len(set(ids)) < len(ids) or not all(_ID.fullmatch(text) for text in ids):
        raise ValueError(f"projects and locations must be different, of letters, digits and hyphens: {ids}")
