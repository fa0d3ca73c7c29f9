"""The manifests and configs of a registry, by tag or by digest.

Every body that is requested by digest has that digest when it is returned (distribution-spec, "Pulling manifests": a
client should verify it). AWS's registry sends no `Docker-Content-Digest` with a manifest (aws/containers-roadmap#1931),
so the digest of a tag is always computed.
"""

from functools import partial
from typing import Final, NamedTuple

from crawler.client import AuthenticatedClient
from crawler.errors import DIGEST_MISMATCH, DigestMismatch, MalformedResponse, UnexpectedStatus, UnusableResponse
from crawler.model.names import RepositoryName
from crawler.profiles import RegistryProfile
from crawler.transport.messages import Headers, Purpose, Request
from crawler.transport.redact import WITHHELD
from crawler.wire.digest import check_digest, digest_of, is_digest
from crawler.wire.manifest import MANIFEST_TYPES, is_schema1_type
from crawler.wire.media_type import parse_media_type
from crawler.wire.pull_limit import PULL_LIMIT_SPENT, PullsLeft, parse_pulls_left

ACCEPT_MANIFESTS: Final = ", ".join(MANIFEST_TYPES)
"""All four types, with every request: distribution 2.8 answers 404 MANIFEST_UNKNOWN for an index whose type is not
accepted (distribution/distribution registry/handlers/manifests.go), and that is no proof of absence."""

MAX_MANIFEST_BYTES: Final = 8 * 1024**2
"""Registries limit a manifest to 4 MiB (distribution-spec, "Pushing Manifests")."""

MAX_CONFIG_BYTES: Final = 16 * 1024**2
"""No specification limits a config; a thousand layers and their history take less than 1 MiB."""

_MISMATCH_ATTEMPTS: Final = 2
"""How often a tag is requested whose body does not have the digest that the response names."""


class TagResponse(NamedTuple):
    """What a tag leads to.

    Attributes:
        digest: the manifest's digest.
        media_type: the response's content type; None where it names none.
        body: the manifest; None where it was not sent.
        is_verified: the registry itself named the digest that the body has.
        pulls_left: what is left of the registry's limit on pulls; None where the response has no such header.
    """

    digest: str
    media_type: str | None
    body: bytes | None
    is_verified: bool = True
    pulls_left: PullsLeft | None = None


class ManifestResponse(NamedTuple):
    """A manifest that was requested by its digest, and verified."""

    body: bytes
    media_type: str | None
    pulls_left: PullsLeft | None


class Manifests:
    """Manifests and configs, as the client's credentials see them.

    Every request raises RegistryError, CredentialsError, or GaveUp; see `AuthenticatedClient.get`. Missing is raised
    only for a 404 with one of the profile's absence codes.
    """

    def __init__(self, base_url: str, client: AuthenticatedClient, profile: RegistryProfile) -> None:
        """`base_url` is the URL of the registry's API, with a slash at its end."""
        self._base_url = base_url
        self._client = client
        self._absence_codes = profile.absence_codes
        self._spent_codes = frozenset({PULL_LIMIT_SPENT} if profile.limits_pulls else ())

    async def by_tag(self, name: RepositoryName, tag: str, known_digest: str | None) -> TagResponse:
        """The manifest under a tag.

        With `known_digest` the request is conditional: a registry that honours it sends no body where the tag still has
        this digest (RFC 9110 §13.1.2), and one that does not sends the body.
        """
        condition = () if known_digest is None else (("If-None-Match", f'"{known_digest}"'),)
        request = self._manifest_request(name, tag, headers=condition)
        named = None
        for _ in range(_MISMATCH_ATTEMPTS):
            response = await self._client.send(request, _scope(name))
            named, media_type = response.headers.get("Docker-Content-Digest"), _media_type(response.headers)
            if response.status == 304 and known_digest is not None:
                if named in {None, known_digest}:
                    return TagResponse(known_digest, None, None, pulls_left=_pulls_left(response.headers))
                return await self.by_tag(name, tag, None)  # a cache in between compares with another answer
            if named is None or not is_digest(named):
                return TagResponse(digest_of(response.body), media_type, response.body, is_verified=False)
            if is_schema1_type(media_type) or digest_of(response.body, named) == named:
                return TagResponse(named, media_type, response.body, pulls_left=_pulls_left(response.headers))
        raise UnusableResponse(
            request.summary,
            code=DIGEST_MISMATCH,
            message=f"the body does not have the digest {named} that came with it",
            http_status=200,
        )

    async def digest_of_tag(self, name: RepositoryName, tag: str) -> TagResponse | None:
        """The digest of a tag by HEAD, without the manifest; None where only a GET can tell.

        A HEAD response has no error code, so a 404 proves nothing.
        """
        request = self._manifest_request(name, tag).replace(method="HEAD")
        try:
            response = await self._client.send(request, _scope(name))
        except UnexpectedStatus as exc:
            if exc.http_status != 404:
                raise
            return None
        digest = response.headers.get("Docker-Content-Digest")
        if digest is None or not is_digest(digest):
            return None
        return TagResponse(digest, _media_type(response.headers), None, pulls_left=_pulls_left(response.headers))

    async def by_digest(self, name: RepositoryName, digest: str) -> ManifestResponse:
        """A manifest by its digest. A body with another digest is an UnusableResponse."""
        request = self._manifest_request(name, digest).replace(parse=partial(_verified, digest))
        response = await self._client.send(request, _scope(name))
        return ManifestResponse(response.value, _media_type(response.headers), _pulls_left(response.headers))

    async def config(self, name: RepositoryName, digest: str) -> bytes:
        """A config blob by its digest. A body with another digest is an UnusableResponse."""
        request = Request(
            url=f"{self._base_url}{name}/blobs/{digest}",
            accept="*/*",
            parse=partial(_verified, digest),
            max_body_bytes=MAX_CONFIG_BYTES,
            purpose=Purpose.BLOB,
            absence_codes=self._absence_codes,
        )
        body: bytes = (await self._client.send(request, _scope(name))).value
        return body

    def _manifest_request(
        self, name: RepositoryName, reference: str, *, headers: tuple[tuple[str, str], ...] = ()
    ) -> Request:
        return Request(
            url=f"{self._base_url}{name}/manifests/{reference}",
            accept=ACCEPT_MANIFESTS,
            headers=headers,
            max_body_bytes=MAX_MANIFEST_BYTES,
            purpose=Purpose.MANIFEST,
            absence_codes=self._absence_codes,
            spent_codes=self._spent_codes,
        )


def _scope(name: RepositoryName) -> str:
    return f"repository:{name}:pull"


def _verified(digest: str, body: bytes) -> bytes:
    """The body. Raises MalformedResponse, after which the transport requests it again on another connection."""
    try:
        check_digest(body, digest)
    except DigestMismatch:
        if WITHHELD.encode() not in body:
            raise
        message = "the content quotes the credentials of this run, which are withheld, so its digest cannot be checked"
        raise MalformedResponse(message) from None
    return body


def _media_type(headers: Headers) -> str | None:
    return parse_media_type(headers.get("Content-Type"))


def _pulls_left(headers: Headers) -> PullsLeft | None:
    return parse_pulls_left(headers.get("RateLimit-Remaining"), headers.get("RateLimit-Limit"))
