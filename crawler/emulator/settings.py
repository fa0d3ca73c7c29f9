"""Settings of an emulated registry."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Literal

from crawler.emulator.names import is_valid_name

_MAX_PROJECT_LENGTH = 100  # leaves room for more components within 255 characters
_ID = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_TODAY = datetime.now(UTC).date()  # read once, so that equal settings stay equal at midnight
_ORIGIN = re.compile(r"https?://[-.a-z0-9]+(?::[0-9]+)?")

GCR_LOCATIONS: Mapping[str, str] = MappingProxyType(
    {"gcr.io": "us", "us.gcr.io": "us", "eu.gcr.io": "europe", "asia.gcr.io": "asia"}
)
"""The location of each gcr.io host's repository in every project. The repository has the host's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRegistry:
    """Settings of a registry that Artifact Registry serves, with Google's REST APIs. Raises ValueError.

    serves: LOCATION-docker.pkg.dev, whose images are PROJECT/REPOSITORY/IMAGE, or one of today's gcr.io hosts, whose
        images are PROJECT/IMAGE, in the project's repository that has the host's name.
    projects: the projects that the service account can read.
    denied_projects: listed by projects.search, but every other request for them gets 403.
    deleted_projects: projects whose deletion was requested: listed by projects.search, otherwise 403.
    api_disabled_projects: projects that have not enabled Artifact Registry: listed, otherwise 403 with that reason.
    locations: where each project has repositories. With a gcr.io host, the host's own location is added.
    location: the location that a pkg.dev host serves. Images at other locations are in the REST API only.
    repositories_per_location: number of repositories of the Docker format, without those of gcr.io hosts. Each
        location has repositories of other formats as well.
    resource_manager: with "disabled", projects.search and the catalog respond with 403.
    api_page: maximum number of entries in a page of the APIs.
    api_quota_per_s: exchanges with the APIs in any one second, separate from the registry's own quota.
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
            raise ValueError(f"serves must be pkg.dev or one of {', '.join(GCR_LOCATIONS)}: {self.serves!r}")
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
        """The host name of the registry in production."""
        return pkg_dev(self.location) if self.serves == "pkg.dev" else self.serves

    @property
    def all_locations(self) -> tuple[str, ...]:
        """Every location where a project has repositories, in the API's order."""
        own = () if self.serves == "pkg.dev" else (GCR_LOCATIONS[self.serves],)
        return tuple(dict.fromkeys((*own, *self.locations)))


def pkg_dev(location: str) -> str:
    """The host that serves a location's repositories, except those that a gcr.io host serves."""
    return f"{location}-docker.pkg.dev"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of an emulated registry. Equal settings give equal registries. Raises ValueError.

    `giants`, `empty`, `vanished` and `denied` are shares of `repositories`; `unavailable`, `resets` and `truncated`
    are shares of the exchanges with the registry and with the APIs; `broken` and `mismatched` are shares of the images.
    A share is a number from 0 to 1.

    repositories: number of names in the catalog.
    seed: the seed of the inventory and of the faults.
    today: the day on which the inventory is looked at, in UTC: the newest images were uploaded the day before.
    project: the first component of every repository's name, and the project of the service account. With
        `artifact_registry`, which has projects of its own, only the latter.
    giants: repositories with thousands of tags.
    empty: repositories whose listing has no image and no tag.
    vanished: repositories whose listing gets 404.
    denied: repositories whose listing gets 403, although the token endpoint issues a token for them.
    broken: images with a problem that does not keep a crawl from being complete: a manifest, a child or a config that
        is not there, a manifest that is not JSON, an image of schema 1, a signature without its image.
    mismatched: images whose manifest is served with other bytes than its digest names.
    latency_s: seconds before each response, plus a random time of up to `latency_jitter_s` seconds.
    unavailable: exchanges that get 503.
    resets: exchanges whose connection is reset before the response.
    truncated: exchanges whose response ends in the middle of its body.
    quota_per_s: exchanges with the registry in any one second; more get 429.
    catalog_page: maximum number of names in a page of the catalog.
    catalog: whether the catalog lists every name, or is an empty list or null, as in today's gcr.io.
    tags_page: maximum number of images in a page of a listing. None sets no maximum: Artifact Registry pages only if
        the client sends `n`.
    listings: google lists images with their tags; plain lists names of tags and nothing else, as the CNCF
        distribution does, without children.
    blobs: whether a blob is served at once, or by a redirect to a path that needs no credentials.
    referrers: whether there is a referrers API; without one, its path gets 404.
    referrers_page: maximum number of referrers in a page.
    origin: the registry's origin in challenges, for an emulator behind a TLS proxy, such as https://gcr.io. None is
        http and its own host:port, which the key file always uses.
    artifact_registry: None emulates Container Registry, the gcr.io of old: one project, no APIs, listings never paged.
    access_token_lifetime_s: lifetime of an OAuth2 access token, in seconds.
    registry_token_lifetime_s: lifetime of a registry token, in seconds.
    """

    repositories: int = 2000
    seed: int = 1
    today: date = _TODAY
    project: str = "my-project"
    giants: float = 0.002
    empty: float = 0.01
    vanished: float = 0.01
    denied: float = 0.0
    broken: float = 0.01
    mismatched: float = 0.0
    latency_s: float = 0.0
    latency_jitter_s: float = 0.0
    unavailable: float = 0.0
    resets: float = 0.0
    truncated: float = 0.0
    quota_per_s: int | None = None
    catalog_page: int = 1000
    catalog: Literal["full", "empty", "null"] = "full"
    tags_page: int | None = None
    listings: Literal["google", "plain"] = "google"
    blobs: Literal["direct", "redirected"] = "direct"
    referrers: Literal["api", "none"] = "api"
    referrers_page: int = 100
    origin: str | None = None
    artifact_registry: ArtifactRegistry | None = None
    access_token_lifetime_s: int = 3599
    registry_token_lifetime_s: int = 300

    def __post_init__(self) -> None:
        if len(self.project) > _MAX_PROJECT_LENGTH or not is_valid_name(self.project):
            raise ValueError(f"the project is not valid as the beginning of a repository name: {self.project!r}")
        if self.origin is not None and not _ORIGIN.fullmatch(self.origin):
            raise ValueError(f"the origin must be http://HOST[:PORT] or https://HOST[:PORT], not {self.origin!r}")
        _check_shares(giants=self.giants, empty=self.empty, vanished=self.vanished, denied=self.denied)
        _check_shares(unavailable=self.unavailable, resets=self.resets, truncated=self.truncated)
        _check_shares(broken=self.broken, mismatched=self.mismatched)
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
            referrers_page=self.referrers_page,
            access_token_lifetime_s=self.access_token_lifetime_s,
            registry_token_lifetime_s=self.registry_token_lifetime_s,
        )

    @property
    def now_ms(self) -> int:
        """The beginning of `today`, in milliseconds since the epoch."""
        return int(datetime(self.today.year, self.today.month, self.today.day, tzinfo=UTC).timestamp()) * 1000


def _check_shares(**shares: float) -> None:
    if any(not 0 <= share <= 1 for share in shares.values()) or sum(shares.values()) > 1:
        raise ValueError(f"shares must be between 0 and 1, with a sum of at most 1: {shares}")


def _check_at_least(least: int, **values: float) -> None:
    for name, value in values.items():
        if not value >= least:
            raise ValueError(f"{name} must be at least {least}, not {value}")


def _check_ids(*ids: str) -> None:
    if len(set(ids)) < len(ids) or not all(_ID.fullmatch(text) for text in ids):
        raise ValueError(f"projects and locations must be unique, of lowercase letters, digits and hyphens: {ids}")
