"""ECR's API: all repositories of a registry, all images of a repository, and manifests by the hundred.

(https://docs.aws.amazon.com/AmazonECR/latest/APIReference/; boto/botocore
botocore/data/ecr/2015-09-21/service-2.json)

- Names: DescribeRepositories, 1,000 a page. The permission for it is for the whole registry, so a list that ends is a
  list of all repositories. The catalog of the protocol proves as much, at the same price.
- Images: DescribeImages, 1,000 a page, with those that have no tag and those that are archived. Of an image it tells
  digest, tags, size, media type, artifact type, subject, and when it was pushed and last pulled. It does not tell
  platforms, nor when an image was built.
- Manifests: BatchGetImage, 100 in one exchange, each with its exact bytes.

Who may: `ecr:DescribeRepositories`, `ecr:DescribeImages`, `ecr:BatchGetImage`, with AWS credentials (`aws_signing`).
The password for the registry does not open the API. The registry is that of the account in the target's host.

An archived image is listed, and a request for its manifest gets 404
(https://docs.aws.amazon.com/AmazonECR/latest/userguide/archive-image.html): it is recorded as listed.

The documentation does not say whether `subjectManifestDigest` is there for images that were pushed before the API had
that field. So only an image that a listed referrer names has its referrers from here; for all others they are unknown.
"""

import logging
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from crawler.errors import MalformedResponse, UnexpectedStatus
from crawler.model.image import Image, ImageKind, Referrer, ReferrerKind, ReferrerSource
from crawler.model.names import RepositoryName, Target
from crawler.model.record import Listing, NamePage
from crawler.model.run_manifest import Evidence
from crawler.model.timestamps import timestamp
from crawler.model.words import repositories
from crawler.vendors.access import ApiAccess
from crawler.vendors.api import RawManifest, VendorApi
from crawler.vendors.aws_json import AwsClient, page_parser
from crawler.vendors.aws_signing import AwsSigner
from crawler.vendors.listing import make_listing
from crawler.wire.digest import is_digest
from crawler.wire.json_fields import parse_count, parse_object, parse_strings, parse_text
from crawler.wire.manifest import INDEX_TYPES, MANIFEST_TYPES
from crawler.wire.referrers import referrer_kind
from crawler.wire.times import parse_time

log = logging.getLogger(__name__)

_SERVICE: Final = "AmazonEC2ContainerRegistry_V20150921"

_HOST: Final = re.compile(r"([0-9]{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\..+")
"""ACCOUNT.dkr.ecr.REGION.amazonaws.com, and its kin for FIPS and IPv6."""

_ANY_STATUS: Final = {"filter": {"imageStatus": "ANY"}}
"""Without it, archived images are left out."""

_REFUSES_FILTER: Final = frozenset({"InvalidParameterException", "ValidationException", "SerializationException"})

_NOT_PULLED: Final = frozenset({"ARCHIVED", "ACTIVATING"})

_IMAGE_CONFIGS: Final = frozenset(
    {"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"}
)
_ARTIFACT_KINDS: Final = {ReferrerKind.SIGNATURE: ImageKind.SIGNATURE, ReferrerKind.SBOM: ImageKind.SBOM}


class EcrHost(NamedTuple):
    """What a host of ECR says. Both are "" for another host, such as that of a proxy."""

    account: str
    region: str

    @classmethod
    def of(cls, target: Target) -> "EcrHost":
        match = _HOST.fullmatch(target.host)
        return cls("", "") if match is None else cls(match[1], match[2])

    @property
    def parameters(self) -> dict[str, str]:
        """The registry as requests name it. By default it is that of the credentials' account."""
        return {"registryId": self.account} if self.account else {}

    def __str__(self) -> str:
        return f"the registry {self.account} in {self.region}" if self.account else "the account's registry"


def open_ecr(access: ApiAccess) -> VendorApi:
    if not access.url:
        return VendorApi()
    host = EcrHost.of(access.target)
    client = AwsClient(access.url, _SERVICE, AwsSigner("ecr", host.region), access.transport)
    return VendorApi(names=EcrNames(client, host), images=EcrImages(client, host), manifests=EcrManifests(client, host))


class EcrNames:
    """The repositories of one registry."""

    def __init__(self, client: AwsClient, host: EcrHost) -> None:
        self._client = client
        self._host = host

    async def pages(self) -> AsyncIterator[NamePage]:
        parse = page_parser("repositories", parse_name)
        async for names in self._client.pages("DescribeRepositories", self._host.parameters, parse):
            yield dict.fromkeys(names)

    def evidence(self, listed: int) -> Evidence:
        if not listed:
            text = (
                f"ECR's API lists no repository of {self._host}, which proves nothing: "
                "check the account and the region of the target"
            )
            return Evidence(complete=False, text=text)
        return Evidence(complete=True, text=f"ECR's API listed {repositories(listed)} of {self._host}: no next page")


class EcrImages:
    """The images of a repository, archived ones included."""

    def __init__(self, client: AwsClient, host: EcrHost) -> None:
        self._client = client
        self._host = host
        self._has_archive = True

    async def listing(self, name: RepositoryName) -> Listing:
        parameters = {**self._host.parameters, "repositoryName": name}
        if not self._has_archive:
            return make_ecr_listing(await read_images(self._client, parameters))
        entries: list[EcrEntry] = []
        try:
            await read_images(self._client, {**parameters, **_ANY_STATUS}, entries)
        except UnexpectedStatus as exc:
            if entries or exc.code not in _REFUSES_FILTER:
                raise
            entries = await read_images(self._client, parameters)  # which fails where the filter was not the reason
            self._has_archive = False
            log.info("images are listed without a filter for archived ones, which the API refuses: %s", exc)
        return make_ecr_listing(entries)


class EcrManifests:
    """Manifests of one repository, 100 in one exchange."""

    batch_size = 100

    def __init__(self, client: AwsClient, host: EcrHost) -> None:
        self._client = client
        self._host = host

    async def manifests(self, name: RepositoryName, digests: Sequence[str]) -> Mapping[str, RawManifest]:
        parameters = {
            **self._host.parameters,
            "repositoryName": name,
            "imageIds": [{"imageDigest": digest} for digest in digests],
            "acceptedMediaTypes": MANIFEST_TYPES,
        }
        return await self._client.call("BatchGetImage", parameters, parse_manifests)


async def read_images(
    client: AwsClient, parameters: Mapping[str, Any], entries: "list[EcrEntry] | None" = None
) -> "list[EcrEntry]":
    """All entries of DescribeImages, which are also appended to `entries` as they come."""
    entries = [] if entries is None else entries
    async for page in client.pages("DescribeImages", parameters, page_parser("imageDetails", parse_entry)):
        entries += page
    return entries


class EcrEntry(NamedTuple):
    """An entry of DescribeImages.

    Attributes:
        image: None where the entry has no valid digest.
        can_be_pulled: an archived image cannot, nor one that is on its way back from the archive.
    """

    image: Image | None
    tags: tuple[str, ...]
    can_be_pulled: bool


def make_ecr_listing(entries: Sequence[EcrEntry]) -> Listing:
    """The listing of a repository. The images that a listed one names as its subject have their referrers."""
    images = [entry.image for entry in entries if entry.image is not None]
    referrers: defaultdict[str, dict[str, Referrer]] = defaultdict(dict)
    for image in images:
        if image.subject_digest is not None:
            referrers[image.subject_digest][image.digest] = _referrer(image)
    return make_listing(
        (
            image.replace(referrers=tuple(referrers[image.digest].values())) if image.digest in referrers else image
            for image in images
        ),
        lists_untagged=len(images) == len(entries),
        without_digest=[tag for entry in entries if entry.image is None for tag in entry.tags],
        not_readable=[entry.image.digest for entry in entries if entry.image is not None and not entry.can_be_pulled],
    )


def parse_name(entry: dict[str, Any]) -> str:
    name = entry.get("repositoryName")
    if not isinstance(name, str) or not name:
        raise MalformedResponse("a repository without a name")
    return name


def parse_entry(entry: dict[str, Any]) -> EcrEntry:
    """An entry of DescribeImages, of ECR or of ECR Public, which tells less. Raises MalformedResponse."""
    tags, others = parse_strings(entry.get("imageTags"), "imageTags")
    if others:
        raise MalformedResponse("an image with tags that are not strings")
    digest = entry.get("imageDigest")
    if not isinstance(digest, str) or not is_digest(digest):
        return EcrEntry(None, tags, can_be_pulled=True)
    media_type, subject = parse_text(entry.get("imageManifestMediaType")), entry.get("subjectManifestDigest")
    artifact_type = _artifact_type(entry.get("artifactMediaType"))
    image = Image(
        digest=digest,
        tags=tags,
        kind=_kind(media_type, artifact_type),
        media_type=media_type,
        artifact_type=artifact_type,
        subject_digest=subject if is_digest(subject) else None,
        size_bytes=parse_count(entry.get("imageSizeInBytes")),
        uploaded_at=parse_moment(entry.get("imagePushedAt")),
        pulled_at=parse_moment(entry.get("lastRecordedPullTime")),
    )
    return EcrEntry(image, tags, can_be_pulled=parse_text(entry.get("imageStatus")) not in _NOT_PULLED)


def parse_moment(value: Any) -> str | None:
    """A time in seconds since 1970, with a fraction; a time as text is parsed as well. None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return parse_time(value)
    try:
        return timestamp(datetime.fromtimestamp(value, UTC))
    except (ValueError, OverflowError, OSError):
        return None


def parse_manifests(body: bytes) -> dict[str, RawManifest]:
    """The manifests in a response of BatchGetImage, by digest. Those under `failures` are left out.

    Raises MalformedResponse.
    """
    images = parse_object(body).get("images")
    if not isinstance(images, list):
        raise MalformedResponse("no list of 'images'")
    manifests = {}
    for image in images:
        identifier, manifest = (image.get("imageId"), image.get("imageManifest")) if isinstance(image, dict) else (0, 0)
        digest = identifier.get("imageDigest") if isinstance(identifier, dict) else None
        if isinstance(digest, str) and isinstance(manifest, str):
            manifests[digest] = RawManifest(manifest.encode(), parse_text(image.get("imageManifestMediaType")))
    return manifests


def _artifact_type(media_type: Any) -> str | None:
    """The artifact's type. Of an image, ECR has the media type of its config, and the record has None."""
    artifact_type = parse_text(media_type)
    return None if artifact_type in _IMAGE_CONFIGS else artifact_type


def _kind(media_type: str | None, artifact_type: str | None) -> ImageKind | None:
    """What a manifest is. None for what has the config of an image: cosign gives that to signatures as well."""
    if media_type in INDEX_TYPES:
        return ImageKind.INDEX
    if artifact_type is None:
        return None
    return _ARTIFACT_KINDS.get(referrer_kind(artifact_type, None), ImageKind.ARTIFACT)


def _referrer(image: Image) -> Referrer:
    return Referrer(
        digest=image.digest,
        via=ReferrerSource.BULK,
        kind=referrer_kind(image.artifact_type, None),
        artifact_type=image.artifact_type,
    )
