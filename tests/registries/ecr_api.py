"""The APIs of ECR and ECR Public: signed POSTs in AWS's JSON protocol, lists of 1,000 entries a page.

(https://docs.aws.amazon.com/AmazonECR/latest/APIReference/, https://docs.aws.amazon.com/AmazonECRPublic/latest/APIReference/)
"""

import json as json_text
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.digests import digest_of
from support.oci_documents import OCI_INDEX, OCI_MANIFEST
from support.scripted import Entry, Reply, ScriptedServer, document, on
from support.snapshots import Snapshot, read_snapshot

import crawler

from . import ecr
from .vocabulary import guarded_by_basic

ECR_SERVICE = "AmazonEC2ContainerRegistry_V20150921"
PUBLIC_SERVICE = "SpencerFrontendService"

ACCESS_KEY = "AKIDSCRIPTED"
AWS_SECRETS = ("secret-key-of-the-account", "session-token-of-the-account", "Signature=")

IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
SBOM = "application/spdx+json"

_SIGNING = {ECR_SERVICE: ("eu-west-1", "ecr"), PUBLIC_SERVICE: ("us-east-1", "ecr-public")}


def signed(service: str) -> dict[str, str | None]:
    """The headers of a request to a service that is signed for it, with its time and the session token."""
    region, name = _SIGNING[service]
    authorization = (
        rf"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/\d{{8}}/{region}/{name}/aws4_request, "
        r"SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=[0-9a-f]{64}"
    )
    return {
        "Authorization": authorization,
        "Content-Type": re.escape("application/x-amz-json-1.1"),
        "X-Amz-Date": r"\d{8}T\d{6}Z",
        "X-Amz-Security-Token": "session-token-of-the-account",
    }


def operation(
    name: str, reply: Reply, service: str = ECR_SERVICE, *, json: dict[str, str | None] | None = None, **settings: Any
) -> Entry:
    """The reply to an operation; `json` matches its parameters."""
    headers = {**signed(service), "X-Amz-Target": re.escape(f"{service}.{name}")}
    return on("/", reply, method="POST", headers=headers, json=json, **settings)


def aws_document(value: Any, status: int = 200) -> Reply:
    return document(value, status=status).but(headers=(("Content-Type", "application/x-amz-json-1.1"),))


def aws_error(kind: Any, message: str | None = None, status: int = 400) -> Reply:
    """An error. Some services of AWS write `Message`, or leave it out."""
    return aws_document({"__type": kind} if message is None else {"__type": kind, "message": message}, status)


def pages(
    name: str,
    field: str,
    entries: Sequence[Any],
    service: str = ECR_SERVICE,
    *,
    size: int = 1000,
    json: dict[str, str | None] | None = None,
) -> list[Entry]:
    """A list in pages. The token of a page has characters that JSON and URLs encode."""
    starts = range(0, len(entries), size) or [0]
    tokens = [None, *(f'tök"en/{start}+==' for start in starts[1:])]
    replies = [{field: list(entries[start : start + size])} for start in starts]
    for reply, token in zip(replies, tokens[1:], strict=False):
        reply["nextToken"] = token  # type: ignore[assignment]
    return [
        operation(
            name,
            aws_document(reply),
            service,
            json={"maxResults": "1000", **(json or {}), "nextToken": None if token is None else re.escape(token)},
        )
        for reply, token in zip(replies, tokens, strict=True)
    ]


def repositories(names: Iterable[str], service: str = ECR_SERVICE, *, size: int = 1000) -> list[Entry]:
    listed = [{"registryId": "123456789012", "repositoryName": name, "createdAt": 1.7e9} for name in names]
    return pages("DescribeRepositories", "repositories", listed, service, size=size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An image of the inventory, as the API describes it and as the record must have it."""

    digest: str
    tags: tuple[str, ...] = ()
    media_type: str = OCI_MANIFEST
    artifact: str = IMAGE_CONFIG
    size: int = 1000
    pushed: float = 1_700_000_000.25
    pulled: float | None = None
    subject: str | None = None
    status: str | None = "ACTIVE"

    @property
    def entry(self) -> dict[str, Any]:
        """Absent fields are left out: ECR sends neither nulls nor empty lists of tags."""
        fields = {
            "registryId": "123456789012",
            "imageDigest": self.digest,
            "imageTags": list(self.tags) or None,
            "imageSizeInBytes": self.size,
            "imagePushedAt": self.pushed,
            "imageManifestMediaType": self.media_type,
            "artifactMediaType": self.artifact,
            "lastRecordedPullTime": self.pulled,
            "subjectManifestDigest": self.subject,
            "imageStatus": self.status,
        }
        return {name: value for name, value in fields.items() if value is not None}


def images(
    name: str, held: Sequence[Held], *, size: int = 1000, status: str | None = '{"imageStatus": "ANY"}'
) -> list[Entry]:
    """The images of a repository, for requests with this filter of the status; None for requests without a filter."""
    matched = {"repositoryName": re.escape(name), "filter": None if status is None else re.escape(status)}
    return pages("DescribeImages", "imageDetails", [each.entry for each in held], size=size, json=matched)


def tagged(name: str, tags: Iterable[str]) -> list[Held]:
    return [Held(digest=digest_of(f"{name}:{tag}".encode()), tags=(tag,)) for tag in tags]


WEB_INDEX = Held(
    digest=digest_of(b"index"),
    tags=("7", "8"),
    media_type=OCI_INDEX,
    artifact="",
    pulled=1_700_086_400.0,
    size=7_000_000_000,
)
WEB_CHILD = Held(digest=digest_of(b"child"), pushed=1_699_999_999)
WEB_SBOM = Held(digest=digest_of(b"sbom"), artifact=SBOM, subject=WEB_INDEX.digest, size=77)
WEB_ARCHIVED = Held(digest=digest_of(b"archived"), status="ARCHIVED")

INVENTORY = {
    "app": tagged("app", ecr.REPOSITORIES["app"]),
    "team/base": tagged("team/base", ecr.REPOSITORIES["team/base"]),
    "team/job": tagged("team/job", ecr.REPOSITORIES["team/job"]),
    "web": [WEB_INDEX, WEB_CHILD, WEB_SBOM, WEB_ARCHIVED],
}


def api(inventory: dict[str, list[Held]]) -> list[Entry]:
    """The API: names in pages of two, images in pages of a thousand."""
    return [
        *repositories(inventory, size=2),
        *(entry for name, held in inventory.items() for entry in images(name, held)),
    ]


def protocol() -> tuple[Entry, ...]:
    """The registry's side of the protocol, with a password of its own."""
    return guarded_by_basic(ecr.CHALLENGE, ecr.content(), ecr.passwords(1)[0])


async def crawl_api(
    server: ScriptedServer,
    folder: Path,
    images: Mapping[str, Any],
    limits: Mapping[str, Any] | None = None,
    **table: Any,
) -> Snapshot:
    """Crawl with names and images from the API. No secret of the account may be published."""
    table = {"target": server.host, "discovery": "api", "images_from": "api", **table}
    config = crawler.Config(
        registry=[json_text.loads(json_text.dumps(table).replace("{origin}", server.origin))],
        images=images,
        limits={"attempts": 1, "read_timeout": 5, "concurrency": 16, "rate": "none", **(limits or {})},
        output={"path": folder / "out"},
    )
    await crawler.crawl(config)
    snapshot = read_snapshot(folder / "out")
    published = b"".join(path.read_bytes() for path in snapshot.folder.iterdir())
    assert not [secret for secret in (*AWS_SECRETS, "session-1") if secret.encode() in published]
    return snapshot


def operations(server: ScriptedServer) -> Counter[str]:
    """How often each operation was requested."""
    return Counter(
        asked.headers["x-amz-target"].rpartition(".")[2] for asked in server.requests if asked.method == "POST"
    )


SETTINGS = {"kind": "ecr", "apis": {"own": "{origin}"}, "auth": {"username": "AWS", "password": "session-1"}}
