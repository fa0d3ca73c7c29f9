"""The product's own API, as the configuration and the credentials of a run open it."""

from crawler.auth.credentials import ANONYMOUS, BEARER_TOKEN_USER, Credential, CredentialProvider, StaticCredentials
from crawler.client import AuthenticatedClient
from crawler.config import RegistryConfig
from crawler.model.depth import Depth
from crawler.run.credentials import ResolvedAuth, read_secret_file
from crawler.transport.fetch import Transport
from crawler.vendors.api import VendorApi
from crawler.vendors.products import PRODUCTS, open_product


def open_own_api(
    config: RegistryConfig, auth: ResolvedAuth, client: AuthenticatedClient, transport: Transport
) -> VendorApi:
    """What the product's own API can be asked; without any part where the product has no such API.

    `client` sends requests to the registry. `transport` has the pace of the API. Raises CredentialsError for a token
    file that cannot be read.
    """
    if config.profile.kind not in PRODUCTS:
        return VendorApi()
    from crawler.vendors.access import ApiAccess

    access = ApiAccess(
        url=config.own_api_url,
        registry_url=config.api_url,
        target=config.target,
        login=auth.credentials if config.own_api_belongs_to_target else ANONYMOUS,
        token=_token(config),
        registry=AuthenticatedClient(client.authenticator, transport, reauth_statuses=config.profile.reauth_statuses),
        transport=transport,
    )
    return open_product(config.profile.kind, access)


def takes_images_from_api(config: RegistryConfig, depth: Depth) -> bool:
    """Whether images come from the product's own API: where that is configured, and where it spares exchanges.

    Where only tags are asked for, it spares none.
    """
    if config.images_from == "auto":
        api = config.profile.api
        is_at_registry = api is not None and api.lists_images_at_registry
        return depth.reads_tags and (is_at_registry or config.own_api_belongs_to_target)
    return config.images_from == "api"


def own_api_label(config: RegistryConfig) -> str:
    """The product's own API, for people."""
    api = config.profile.api
    return "the API" if api is None else api.label


def unused_api_note(config: RegistryConfig, own_api: VendorApi) -> str:
    """Why the API is not asked for images that the configuration wants from it; "" where nothing is amiss."""
    api = config.profile.api
    if api is None or not api.lists_images or config.images_from != "api":
        return ""
    if own_api.images is not None:
        return ""
    return f"{api.label} was not asked for images, because this run has no credentials for it: the protocol listed them"


def _token(config: RegistryConfig) -> CredentialProvider | None:
    file = config.apis.token_file
    return None if file is None else StaticCredentials(Credential(BEARER_TOKEN_USER, read_secret_file(file, "token")))
