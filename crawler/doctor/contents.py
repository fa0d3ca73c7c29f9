"""Can manifests and referrers be read as deep as the crawl asks, and does the product's own API answer?"""

from crawler.client import AuthenticatedClient
from crawler.config import ImagesConfig, RegistryConfig
from crawler.doctor.advice import aws_advice
from crawler.doctor.names import ListedRepository
from crawler.doctor.step import Finding, ok, skipped, warning
from crawler.model.depth import ReferrersLevel
from crawler.registry.manifests import Manifests
from crawler.registry.referrers import Referrers
from crawler.run.assemble import OpenParts
from crawler.run.own_api import own_api_label
from crawler.untrusted_text import printable
from crawler.vendors.lister import ApiLister


def own_api(registry: RegistryConfig, parts: OpenParts) -> Finding:
    """What became of the product's own API, which the listing was asked of."""
    if parts.unused_api:
        return warning(parts.unused_api, "give a token for it: registry.apis.token_file")
    if not isinstance(parts.lister, ApiLister):
        return skipped("images come from the registry's own protocol")
    if parts.lister.note:
        mended_by = aws_advice(parts.lister.note) or "check the account's right to the API"
        return warning(parts.lister.note, f"{mended_by}, or use --images-from listing")
    return ok(f"{own_api_label(registry)} lists images")


async def manifest(
    registry: RegistryConfig, images: ImagesConfig, client: AuthenticatedClient, repository: ListedRepository | None
) -> tuple[Finding, str | None]:
    """Read the manifest of one tag, and return its digest. Raises RegistryError, CredentialsError and GaveUp."""
    if not images.depth.reads_tags:
        return skipped(f"--depth {images.depth} reads none"), _listed_digest(repository)
    if repository is None or repository.first_tag is None:
        return skipped("no repository with a tag is known"), None
    name, tag = repository.name, repository.first_tag
    manifests = Manifests(registry.api_url, client, registry.profile)
    response = await manifests.digest_of_tag(name, tag) if registry.profile.limits_pulls else None
    response = response or await manifests.by_tag(name, tag, None)
    pulls = response.pulls_left
    found = f"{name}:{printable(tag)} is {response.digest}"
    if pulls is None:
        return ok(found), response.digest
    found += f"; {pulls.remaining:,} pulls are left"
    if pulls.remaining > 0:
        return ok(found), response.digest
    return warning(found, "wait until the limit is renewed, or sign in to an account with a greater one"), None


async def conditional_request(
    registry: RegistryConfig,
    images: ImagesConfig,
    client: AuthenticatedClient,
    repository: ListedRepository | None,
    digest: str | None,
) -> Finding:
    """Ask for the tag's manifest again, unless it has changed. Raises RegistryError, CredentialsError and GaveUp."""
    if not images.depth.reads_tags:
        return skipped(f"--depth {images.depth} reads no manifest")
    if repository is None or repository.first_tag is None or digest is None:
        return skipped("no manifest was read")
    if registry.profile.limits_pulls:
        return skipped("tags are resolved by HEAD, which needs none")
    again = await Manifests(registry.api_url, client, registry.profile).by_tag(
        repository.name, repository.first_tag, digest
    )
    if again.body is None:
        return ok("the registry sends no manifest again that has not changed (304)")
    return warning(
        "the registry sends every manifest again, changed or not: a crawl with a cache costs more bytes than it must",
        "where a proxy is in front of the registry, let If-None-Match and 304 pass",
    )


async def referrers(
    registry: RegistryConfig,
    images: ImagesConfig,
    client: AuthenticatedClient,
    repository: ListedRepository | None,
    digest: str | None,
) -> Finding:
    """Ask for the referrers of one manifest. Raises RegistryError, CredentialsError and GaveUp."""
    if images.referrers is not ReferrersLevel.API:
        return skipped(f"--referrers {images.referrers} does not ask for them")
    if not registry.profile.has_referrers_api:
        return skipped(f"the referrers API of {registry.profile.kind} is never asked")
    if repository is None or digest is None:
        return skipped("no manifest is known")
    found = await Referrers(registry.api_url, client).of(repository.name, digest)
    if found is None:
        return warning(
            "the registry has no referrers API",
            "use --referrers listed, which finds those that tags and indexes name, without a request for each image",
        )
    return ok(f"the registry lists {len(found.referrers):,} of {digest}")


def _listed_digest(repository: ListedRepository | None) -> str | None:
    """The digest of an image that the listing has."""
    if repository is None or not repository.listing.images:
        return None
    return repository.listing.images[0].digest
