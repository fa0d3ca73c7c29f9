"""Docker Hub: no catalog, a namespace's names from another API, tokens from auth.docker.io, a limit on pulls."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from support.scripted import Ending, Entry, Reply, document, on, raw, redirect, refusal

from .docker_hub_api import REFUSED, TOKEN_PATH, for_members
from .vocabulary import (
    BASIC,
    CATALOG_SCOPE,
    Scripted,
    guarded_by_token,
    listing,
    numbered,
    scope_of,
    token_for,
    token_response,
    token_server_entries,
    unauthorized,
)

REPOSITORIES = {
    "library/alpine": ("3.19", "3.20", "latest"),
    **{f"library/{name}": ("latest",) for name in numbered("image-", 101)},
}
SERVICE = "registry.docker.io"
TEXT_PLAIN = ("Content-Type", "text/plain; charset=utf-8")

THROTTLED = Reply(status=429, headers=(TEXT_PLAIN,), body=b"Too Many Requests\n")
"""The abuse limit's response, which names no delay."""

NO_NAMESPACE = document({"message": "object not found", "errinfo": {"namespace": "nobody"}}, status=404)


def api() -> list[Entry]:
    """hub.docker.com: pages of 100, with an absolute `next` that names this host, whatever host was requested."""
    names = [name.removeprefix("library/") for name in REPOSITORIES]
    path = "/v2/namespaces/library/repositories"

    def page(page_names: list[str], next_page: str | None) -> Reply:
        results = [{"name": name, "namespace": "library", "is_private": False} for name in page_names]
        return document({"count": len(names), "next": next_page, "previous": None, "results": results})

    second = f"https://hub.docker.com{path}?page=2&page_size=100"
    return [
        on(path, page(names[:100], second), query={"page_size": "100", "page": None}),
        on(path, page(names[100:], None), query={"page_size": "100", "page": "2"}),
    ]


def registry(realm: str) -> list[Entry]:
    refused = unauthorized(f'Bearer realm="{realm}",service="{SERVICE}"')
    listings = [
        entry
        for name, tags in REPOSITORIES.items()
        for entry in guarded_by_token(scope_of(name), refused, [listing(name, tags)])
    ]
    refused_catalog = refusal(401, "UNAUTHORIZED", "authentication required", *refused.headers[1:])
    return [on("/v2/", refused), on("/v2/_catalog", refused_catalog), *listings]


def _as_text(scope: str) -> Reply:
    return token_response(300)(scope).but(headers=(TEXT_PLAIN,))


def token_server(user: str | None = None) -> list[Entry]:
    return token_server_entries(
        "/token", [CATALOG_SCOPE, *map(scope_of, REPOSITORIES)], service=SERVICE, user=user, answer=_as_text
    )


IMAGE_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
APP = "library/app"
MANIFESTS = f"/v2/{APP}/manifests"
BLOBS = f"/v2/{APP}/blobs"

PULLS_SPENT = refusal(429, "TOOMANYREQUESTS", "You have reached your unauthenticated pull rate limit.")
"""The response to a pull beyond the limit (https://docs.docker.com/docker-hub/usage/pulls/)."""

NO_MANIFEST = refusal(404, "MANIFEST_UNKNOWN", "manifest unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubImage:
    """A single image of the repository `APP`. Its config has a number, so that images differ."""

    number: int

    @property
    def config(self) -> bytes:
        return json.dumps({"os": "linux", "architecture": "amd64", "config": {"User": str(self.number)}}).encode()

    @property
    def manifest(self) -> bytes:
        config = {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(self.config)}
        document = {"schemaVersion": 2, "mediaType": IMAGE_TYPE, "layers": []}
        return json.dumps({**document, "config": {**config, "digest": _digest(self.config)}}).encode()

    @property
    def digest(self) -> str:
        return _digest(self.manifest)

    @property
    def config_digest(self) -> str:
        return _digest(self.config)


def pulls_left(pulls: int) -> str:
    """The state of the script in which so many pulls are left."""
    return f"{pulls} pulls left"


def depth(tags: Mapping[str, HubImage], *, pulls: int, limit: int = 100, blobs: str = "{origin}") -> list[Entry]:
    """The repository `APP` as Docker Hub serves what is behind its tags to anonymous users.

    HEAD is free, and its response has the number of pulls left; each GET of a manifest costs one, by tag or by digest.
    The script begins in the state `pulls_left(pulls)`. Another host, `blobs`, serves the configs, and takes no token.
    """
    refused = unauthorized(f'Bearer realm="{{origin}}/token",service="{SERVICE}"')
    listings = guarded_by_token(scope_of(APP), refused, [listing(APP, list(tags))])
    images = {image.digest: image for image in tags.values()}
    references = {**images, **tags}
    redirects = [
        on(f"{BLOBS}/{image.config_digest}", redirect(f"{blobs}/blob/{image.config_digest}"), headers=_WITH_TOKEN)
        for image in images.values()
    ]
    return [
        on("/v2/", refused),
        *listings,
        *_counted(references, range(pulls, -1, -1), limit),
        *redirects,
        *token_server_entries("/token", [scope_of(APP)], service=SERVICE, answer=_as_text),
    ]


def blob_host(images: Iterable[HubImage]) -> list[Entry]:
    """The host that configs are redirected to; a request with a token is refused, as presigned URLs do."""
    return [
        on(f"/blob/{image.config_digest}", Reply(body=image.config), headers={"Authorization": None})
        for image in images
    ]


def head(image: HubImage, left: int, limit: int = 100) -> Reply:
    """The head of a GET's response, with the length of the body that is not sent (RFC 9110 §9.3.2)."""
    fields = [*_manifest_headers(image), *_pull_headers(left, limit), ("Content-Length", str(len(image.manifest)))]
    lines = ["HTTP/1.1 200 OK", *(f"{name}: {value}" for name, value in fields), "", ""]
    return raw("\r\n".join(lines).encode(), Ending.OPEN)


def _counted(references: Mapping[str, HubImage], pulls: Iterable[int], limit: int) -> list[Entry]:
    """HEAD and GET of every reference, in every state of the limit."""
    entries = []
    for left in pulls:
        for reference, image in references.items():
            path, state = f"{MANIFESTS}/{reference}", pulls_left(left)
            entries.append(on(path, head(image, left, limit), method="HEAD", headers=_WITH_TOKEN, state=state))
            got = Reply(body=image.manifest, headers=(*_manifest_headers(image), *_pull_headers(left - 1, limit)))
            reply, then = (got, pulls_left(left - 1)) if left else (PULLS_SPENT, None)
            entries.append(on(path, reply, headers=_WITH_TOKEN, state=state, then=then))
    return entries


_WITH_TOKEN = {"Authorization": rf"Bearer {re.escape(token_for(scope_of(APP)))}-\d+"}


def _manifest_headers(image: HubImage) -> tuple[tuple[str, str], ...]:
    return (("Content-Type", IMAGE_TYPE), ("Docker-Content-Digest", image.digest))


def _pull_headers(left: int, limit: int) -> tuple[tuple[str, str], ...]:
    return (("ratelimit-limit", f"{limit};w=21600"), ("ratelimit-remaining", f"{left};w=21600"))


def _digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


ANONYMOUS = Scripted(
    kind="docker-hub",
    script=(*api(), *registry("{origin}/token"), *token_server()),
    repositories=REPOSITORIES,
    prefix="library",
    config={"apis": {"docker_hub": "{origin}"}},
    evidence="Docker Hub listed 102 of 102 public repositories of library, which are all that are public",
    exchanges=1 + 2 + 102 * 2,
    tokens=102,
)

WITH_LOGIN = Scripted(
    kind="docker-hub",
    script=(*for_members(api()), *registry("{origin}/token"), *token_server(BASIC)),
    repositories=REPOSITORIES,
    prefix="library",
    config={"apis": {"docker_hub": "{origin}"}, "auth": {"username": "robot", "password": "correct-horse-battery"}},
    password_paths=frozenset({"/token"}),
    evidence="Docker Hub listed 102 of 102 repositories of library, which are all that the account may see",
    exchanges=1 + 1 + 2 + 102 * 2,
    tokens=1 + 102,
)

WITH_LOGIN_FOR_THE_REGISTRY_ALONE = replace(
    WITH_LOGIN,
    script=(on(TOKEN_PATH, REFUSED, method="POST"), *api(), *registry("{origin}/token"), *token_server(BASIC)),
    evidence="Docker Hub listed 102 of 102 public repositories of library",
    partial_reason="private repositories are not listed: name them with repositories_from",
)
"""The API refuses the login, so that it lists what is public."""
