"""ECR Public's API: the repositories of the account's own public registry, and their images.

(https://docs.aws.amazon.com/AmazonECRPublic/latest/APIReference/; boto/botocore
botocore/data/ecr-public/2020-10-30/service-2.json)

On public.ecr.aws a name is ALIAS/REPOSITORY, and a registry has one alias or more. The API lists the account's own
registry only, so the target's prefix must begin with one of its aliases. Registries of others have no list of names:
`repositories_from` names their repositories, and the protocol lists their tags.

- Names: DescribeRegistries for the aliases, once, then DescribeRepositories, 1,000 a page.
- Images: DescribeImages, 1,000 a page, with those that have no tag: digest, tags, size, media type, artifact type, and
  when it was pushed. DescribeImageTags tells less of each, and nothing of images without a tag.

Who may: `ecr-public:DescribeRegistries`, `ecr-public:DescribeRepositories`, `ecr-public:DescribeImages`, with AWS
credentials (`aws_signing`). The API is in us-east-1 alone.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

from crawler.errors import Denied
from crawler.model.names import RepositoryName
from crawler.model.record import Listing, NamePage
from crawler.model.run_manifest import Evidence
from crawler.model.words import repositories
from crawler.single_flight import SingleFlight
from crawler.vendors.access import ApiAccess
from crawler.vendors.api import VendorApi
from crawler.vendors.aws_json import AwsClient, page_parser
from crawler.vendors.aws_signing import AwsSigner
from crawler.vendors.ecr import make_ecr_listing, parse_name, read_images

_SERVICE: Final = "SpencerFrontendService"
_REGION: Final = "us-east-1"


def open_ecr_public(access: ApiAccess) -> VendorApi:
    if not access.url:
        return VendorApi()
    client = AwsClient(access.url, _SERVICE, AwsSigner("ecr-public", _REGION), access.transport)
    aliases = OwnAliases(client)
    return VendorApi(names=EcrPublicNames(client, aliases, access.namespace), images=EcrPublicImages(client, aliases))


class OwnAliases:
    """The aliases of the account's own registry, read once."""

    def __init__(self, client: AwsClient) -> None:
        self._client = client
        self._aliases: tuple[str, ...] | None = None
        self._flights: SingleFlight[str, tuple[str, ...]] = SingleFlight()

    async def get(self) -> tuple[str, ...]:
        """Raises what `AwsClient.call` raises."""
        if self._aliases is None:
            self._aliases = await self._flights.do("", self._read)
        return self._aliases

    async def _read(self) -> tuple[str, ...]:
        aliases: dict[str, None] = {}
        async for page in self._client.pages("DescribeRegistries", {}, page_parser("registries", parse_aliases)):
            for of_registry in page:
                aliases.update(dict.fromkeys(of_registry))
        return tuple(aliases)


class EcrPublicNames:
    """The repositories under one alias of the account's own registry."""

    def __init__(self, client: AwsClient, aliases: OwnAliases, namespace: str) -> None:
        self._client = client
        self._aliases = aliases
        self._namespace = namespace
        self._own: tuple[str, ...] = ()

    async def pages(self) -> AsyncIterator[NamePage]:
        self._own = await self._aliases.get()
        if self._namespace not in self._own:
            return
        async for names in self._client.pages("DescribeRepositories", {}, page_parser("repositories", parse_name)):
            yield dict.fromkeys(f"{self._namespace}/{name}" for name in names)

    def evidence(self, listed: int) -> Evidence:
        namespace = self._namespace
        if namespace not in self._own:
            return Evidence(
                complete=False, text=f"{_not_own(namespace, self._own)}: name its repositories with repositories_from"
            )
        if not listed:
            text = f"ECR Public's API lists no repository of {namespace}, which proves nothing: check the AWS account"
            return Evidence(complete=False, text=text)
        return Evidence(
            complete=True, text=f"ECR Public's API listed {repositories(listed)} of {namespace}: no next page"
        )


class EcrPublicImages:
    """The images of a repository of the account's own registry."""

    def __init__(self, client: AwsClient, aliases: OwnAliases) -> None:
        self._client = client
        self._aliases = aliases

    async def listing(self, name: RepositoryName) -> Listing:
        """Raises Denied for a repository of another registry, without a request for it."""
        namespace, _, repository = name.partition("/")
        own = await self._aliases.get()
        if namespace not in own:
            raise self._client.error("DescribeImages", Denied, "NOT_OWN_REGISTRY", _not_own(namespace, own))
        return make_ecr_listing(await read_images(self._client, {"repositoryName": repository}))


def parse_aliases(registry: dict[str, Any]) -> tuple[str, ...]:
    """The aliases of a registry by which images can be pulled; none where there is no list of them."""
    aliases = registry.get("aliases")
    return tuple(
        alias["name"]
        for alias in (aliases if isinstance(aliases, list) else ())
        if isinstance(alias, dict)
        and isinstance(alias.get("name"), str)
        and alias["name"]
        and alias.get("status", "ACTIVE") == "ACTIVE"
    )


def _not_own(namespace: str, own: tuple[str, ...]) -> str:
    names = ", ".join(own) or "none"
    return (
        f"ECR Public's API lists the account's own registry only, and {namespace or 'the target'} "
        f"is not one of its aliases ({names})"
    )
