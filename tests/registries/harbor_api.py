"""Harbor's own API: pages by number, `X-Total-Count`, accessories beside the artifacts, a login that is never refused.

(goharbor/harbor api/v2.0/swagger.yaml, src/server/v2.0/handler) It answers a wrong password like an anonymous user.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from support.depth_crawls import deep_crawl
from support.scripted import Entry, Reply, ScriptedServer, document, on, refusal
from support.snapshots import Snapshot, read_snapshot

from .vocabulary import (
    BASIC,
    PASSWORD,
    WITH_PASSWORD,
    guarded,
    guarded_by_token,
    listing,
    scope_of,
    token_response,
    token_server_entries,
)

API = "/api/v2.0"
SYSTEM_INFO = f"{API}/systeminfo"
ALL_REPOSITORIES = f"{API}/repositories"
PROJECTS = f"{API}/projects"

HARBOR = {"kind": "harbor", "discovery": "api", "images_from": "api", **WITH_PASSWORD}
ANONYMOUS = {**HARBOR, "auth": {"method": "anonymous"}}

NEVER = "0001-01-01T00:00:00.000Z"
"""Go's zero time: when an artifact was pulled that never was."""

SECRET_VALUE = "environment-value-4711"
"""The value of a variable in an image's environment."""

CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
CHART_TYPE = "application/vnd.cncf.helm.config.v1+json"

UNAUTHORIZED = refusal(401, "UNAUTHORIZED", "unauthorized")
FORBIDDEN = refusal(403, "FORBIDDEN", "forbidden")
NOT_FOUND = refusal(404, "NOT_FOUND", "path was not found")


def digest(name: str) -> str:
    return f"sha256:{sha256(name.encode()).hexdigest()}"


IMAGE = {
    "accessories": None,
    "addition_links": {"build_history": {"absolute": False, "href": "/api/v2.0/projects/library/…"}},
    "annotations": {"org.opencontainers.image.vendor": "Ours"},
    "artifact_type": CONFIG_TYPE,
    "digest": digest("app-1.0"),
    "extra_attrs": {
        "architecture": "arm64",
        "author": "someone",
        "config": {
            "Cmd": ["serve"],
            "Entrypoint": ["/app"],
            "Env": ["PATH=/bin", f"DB_PASSWORD={SECRET_VALUE}"],
            "ExposedPorts": {"8080/tcp": {}},
            "Labels": {"team": "ours"},
            "User": "1000",
            "WorkingDir": "/srv",
        },
        "created": "2026-10-01T10:00:00.123456789Z",
        "os": "linux",
    },
    "icon": "sha256:0048162a053eef4d4ce3fe7518615bef084403614f8bca43b40ae2e762e11e06",
    "id": 7,
    "labels": None,
    "manifest_media_type": MANIFEST_TYPE,
    "media_type": CONFIG_TYPE,
    "project_id": 1,
    "pull_time": NEVER,
    "push_time": "2026-10-02T08:30:00.500Z",
    "references": None,
    "repository_id": 3,
    "repository_name": "library/app",
    "size": 123_456,
    "tags": [
        {"artifact_id": 7, "id": 1, "immutable": False, "name": "1.0", "pull_time": NEVER, "push_time": "2026-10-02"},
        {"artifact_id": 7, "id": 2, "immutable": False, "name": "stable", "pull_time": NEVER},
    ],
    "type": "IMAGE",
}
INDEX = {
    "accessories": [
        {
            "artifact_id": 21,
            "creation_time": "2026-10-03T09:00:00.000Z",
            "digest": digest("signature"),
            "id": 1,
            "size": 1_024,
            "subject_artifact_digest": digest("app-1.1"),
            "type": "signature.cosign",
        },
        {"creation_time": NEVER, "digest": digest("sbom"), "id": 2, "size": 0, "type": "sbom.harbor"},
        {"digest": digest("other"), "id": 3, "type": "subject.accessory"},
    ],
    "digest": digest("app-1.1"),
    "extra_attrs": None,
    "manifest_media_type": INDEX_TYPE,
    "media_type": INDEX_TYPE,
    "pull_time": "2026-10-04T10:00:00.000Z",
    "push_time": "2026-10-03T08:30:00.000Z",
    "references": [
        {
            "child_digest": digest("windows"),
            "platform": {"architecture": "amd64", "os": "windows", "'os.version'": "10.0.1", "variant": "v2"},
        },
        {
            "annotations": {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": digest("windows"),
            },
            "child_digest": digest("attestation"),
            "platform": {"architecture": "unknown", "os": "unknown"},
        },
    ],
    "size": 9_999,
    "tags": [{"name": "1.1"}],
    "type": "IMAGE",
}
CHART = {
    "accessories": None,
    "artifact_type": CHART_TYPE,
    "digest": digest("web-7"),
    "extra_attrs": {"apiVersion": "v2", "created": "2020-01-01T00:00:00Z", "name": "web", "version": "7.0.0"},
    "manifest_media_type": MANIFEST_TYPE,
    "media_type": CHART_TYPE,
    "push_time": "2026-10-05T08:30:00.000Z",
    "size": 10,
    "tags": [{"name": "7"}],
    "type": "CHART",
}
UNTAGGED = {"digest": digest("untagged"), "manifest_media_type": MANIFEST_TYPE, "media_type": CONFIG_TYPE, "tags": None}
"""An artifact as Harbor before 2.5 has it: without accessories and without an artifact type."""

ARTIFACTS = {
    "library/app": (INDEX, IMAGE),
    "library/web": (CHART,),
    "library/tools/deep/job": (UNTAGGED, {**UNTAGGED, "digest": digest("job"), "tags": [{"name": "nightly"}]}),
}
SIGNATURE_TAG = f"sha256-{digest('app-1.1').removeprefix('sha256:')}.sig"
TAGS = {
    "library/app": ("1.0", "1.1", SIGNATURE_TAG, "stable"),
    "library/web": ("7",),
    "library/tools/deep/job": ("nightly",),
}
"""The tags of `tags/list`, which lists those of accessories, too (src/server/registry/tag.go)."""


def artifacts_path(name: str) -> str:
    """The path, decoded once: the slashes of a repository's name are encoded twice."""
    project, _, repository = name.partition("/")
    return f"{PROJECTS}/{project}/repositories/{repository.replace('/', '%2F')}/artifacts"


def repositories_path(project: str) -> str:
    return f"{PROJECTS}/{project}/repositories"


def named(names: Iterable[str]) -> list[dict[str, Any]]:
    return [{"id": number, "name": name, "artifact_count": 1} for number, name in enumerate(names, start=1)]


def pages(
    path: str, entries: Sequence[Any], *, size: int = 100, total: int | None = -1, links: bool = True
) -> list[Entry]:
    """A list in pages. Harbor sends the links to both neighbours. `total` None: no count; -1: the right one."""
    parts = [entries[start : start + size] for start in range(0, len(entries), size)] or [[]]
    count = len(entries) if total == -1 else total
    headers = [] if count is None else [("X-Total-Count", str(count))]
    options = "&with_accessory=true&with_tag=true" if path.endswith("/artifacts") else ""
    replies = []
    for number, part in enumerate(parts, start=1):
        neighbours = {"prev": number - 1, "next": number + 1 if number < len(parts) else 0}
        link = " , ".join(
            f'<{path}?page={page}&page_size={size}{options}>; rel="{rel}"' for rel, page in neighbours.items() if page
        )
        link_header = [("Link", link)] if link and links else []
        query = {"page": None, "page_size": "100"} if number == 1 else {"page": str(number), "page_size": str(size)}
        if options:
            query |= {"with_tag": "true", "with_accessory": "true"}
        replies.append(on(path, document(list(part), *headers, *link_header), query=query))
    return replies


def system_info(*, is_logged_in: bool = True) -> Entry:
    version = {"harbor_version": "v2.13.0-1a2b3c"} if is_logged_in else {}
    return on(SYSTEM_INFO, document({"auth_mode": "db_auth", "self_registration": False, **version}))


def api(artifacts: Mapping[str, Sequence[Any]] = ARTIFACTS) -> list[Entry]:
    """The API for one account."""
    projects = dict.fromkeys(name.partition("/")[0] for name in artifacts)
    return [
        system_info(),
        *pages(ALL_REPOSITORIES, named(artifacts)),
        *pages(PROJECTS, named(projects)),
        *(
            entry
            for project in projects
            for entry in pages(
                repositories_path(project), named(name for name in artifacts if name.startswith(f"{project}/"))
            )
        ),
        *(entry for name, listed in artifacts.items() for entry in pages(artifacts_path(name), listed)),
    ]


def public(artifacts: Mapping[str, Sequence[Any]] = ARTIFACTS) -> list[Entry]:
    """A registry without passwords, with its API."""
    tags = {name: [tag["name"] for each in listed for tag in each["tags"] or ()] for name, listed in artifacts.items()}
    return [
        on("/v2/", document({})),
        *(listing(name, [*names, *TAGS.get(name, ())]) for name, names in tags.items()),
        on(SYSTEM_INFO, UNAUTHORIZED),
        *api(artifacts),
    ]


def closed(reply: Reply) -> list[Entry]:
    """Every path of the API, with this reply."""
    return [on(entry.match.path, reply) for entry in api()]


def registry(tags: Mapping[str, Sequence[str]] = TAGS, user: str = BASIC) -> list[Entry]:
    """The registry with its token server; the catalog is for administrators."""
    challenge = 'Bearer realm="{origin}/service/token",service="harbor-registry"'
    refused = refusal(401, "UNAUTHORIZED", "unauthorized", ("WWW-Authenticate", challenge))
    catalog_refused = refusal(401, "UNAUTHORIZED", "unauthorized", ("WWW-Authenticate", 'Basic realm="harbor"'))
    return [
        on("/v2/", refused),
        *guarded(re.escape(user), catalog_refused, [on("/v2/_catalog", document({"repositories": sorted(tags)}))]),
        *(
            entry
            for name, names in tags.items()
            for entry in guarded_by_token(scope_of(name), refused, [listing(name, names)])
        ),
        *token_server_entries(
            "/service/token",
            map(scope_of, tags),
            service="harbor-registry",
            user=user,
            answer=token_response(1800),
        ),
    ]


def with_login(user: str = BASIC) -> list[Entry]:
    """Registry and API for a user. Without the right password the API lists public projects, and here none is."""
    anonymous = {"Authorization": f"(?!{re.escape(user)}$).*"}
    return [
        *registry(user=user),
        on(SYSTEM_INFO, system_info(is_logged_in=False).reply, headers=anonymous),
        *(
            on(path, document([], ("X-Total-Count", "0")), headers={"Authorization": wrong})
            for path in (ALL_REPOSITORIES, PROJECTS)
            for wrong in (anonymous["Authorization"], None)
        ),
        *guarded(re.escape(user), UNAUTHORIZED, api()),
    ]


async def crawl_digests(
    server: ScriptedServer, folder: Path, *, target: str = "", referrers: str = "listed", **settings: Any
) -> Snapshot:
    """The snapshot of a crawl at depth `digests`. No secret is in any of its files."""
    table = {"target": f"{server.host}{target}", **HARBOR, **settings}
    await deep_crawl(server, folder, cache="none", registry=table, depth="digests", referrers=referrers)
    snapshot = read_snapshot(folder / "out")
    published = b"".join(path.read_bytes() for path in snapshot.folder.iterdir())
    assert not [secret for secret in (PASSWORD, SECRET_VALUE, "minted-") if secret.encode() in published]
    return snapshot


def tags_by_name(snapshot: Snapshot) -> dict[str, list[str]]:
    return {name: sorted(record["tags"]) for name, record in snapshot.by_name.items()}
