"""`[[registry]]` and the tables within it: every key with its type, default and bounds, and the rules between keys."""

from typing import Final, Literal, Self

from pydantic import Field, model_validator

from crawler.config.table import ConfigTable, optional_table
from crawler.config.values import (
    ApiPath,
    ApiUrl,
    InputFile,
    Integer,
    KeyFile,
    Kind,
    Location,
    NameListFile,
    NonEmptyString,
    Password,
    RealmHosts,
    Scope,
    StringList,
    TargetOption,
    Username,
)
from crawler.model.auth_method import AuthMethod
from crawler.profiles import DiscoveryMethod, RegistryProfile, host_matches, profile_for

_ACCESS_TOKEN_METHODS: Final = {AuthMethod.AUTO, AuthMethod.TOKEN, AuthMethod.ACCESS_TOKEN}


class AuthConfig(ConfigTable):
    """`[registry.auth]`: the credentials for this registry."""

    method: AuthMethod = AuthMethod.AUTO
    key_file: KeyFile | None = None
    username: Username | None = None
    password: Password | None = Field(default=None, exclude=True)
    password_file: InputFile | None = None
    scope: Scope = "cloud-platform.read-only"
    impersonate: NonEmptyString | None = None

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        has_password = self.password is not None or self.password_file is not None
        if has_password != (self.username is not None):
            raise ValueError("username needs password or password_file, and the reverse")
        if self.key_file is not None and self.username is not None:
            raise ValueError("give key_file or username, not both")
        if self.method is AuthMethod.BASIC and not has_password:
            raise ValueError("method basic needs username, and password or password_file")
        if self.method is AuthMethod.JSON_KEY and self.key_file is None:
            raise ValueError("method json-key needs key_file")
        if self.impersonate is not None and (self.method not in _ACCESS_TOKEN_METHODS or has_password):
            raise ValueError("impersonate needs method token, access-token or auto (access tokens of Google)")
        return self


class ApisConfig(ConfigTable):
    """`[registry.apis]`: base URLs of the vendors' APIs, which are used besides the registry itself.

    Set them for private endpoints (`https://artifactregistry-ours.p.googleapis.com`) and for emulators. `own` is the
    product's own API, where it is not at the registry's host, and `token_file` has the token that it takes in place of
    the registry's credentials, which are sent there without one.
    """

    artifact_registry: ApiUrl = "https://artifactregistry.googleapis.com"
    resource_manager: ApiUrl = "https://cloudresourcemanager.googleapis.com"
    iam_credentials: ApiUrl = "https://iamcredentials.googleapis.com"
    docker_hub: ApiUrl = "https://hub.docker.com"
    own: ApiUrl | None = None
    token_file: InputFile | None = None


class RegistryConfig(ConfigTable):
    """One `[[registry]]` table: the target of a snapshot, and how to reach it."""

    target: TargetOption
    kind: Kind | None = None
    auth: AuthConfig = optional_table()
    discovery: DiscoveryMethod = DiscoveryMethod.AUTO
    images_from: Literal["auto", "listing", "api"] = "auto"
    location: Location | None = None
    repositories_from: NameListFile | None = None
    include: StringList = ()
    exclude: StringList = ()
    plain_http: bool | None = None
    ca_file: InputFile | None = None
    client_certificate: InputFile | None = None
    client_key: InputFile | None = None
    realms: RealmHosts = ()
    page_size: Integer | None = Field(default=None, ge=1, le=100_000)
    tokens: Literal["single", "batched"] = "single"
    api_path: ApiPath = "/v2/"
    apis: ApisConfig = optional_table()

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        name_list = self.repositories_from
        if name_list is not None and self.discovery not in {DiscoveryMethod.AUTO, DiscoveryMethod.LIST}:
            raise ValueError(f"repositories_from needs discovery list, not {self.discovery}")
        if name_list is None:
            self._check_discovery()
        if self.images_from == "api":
            self._check_images_from()
        if self.plain_http and (self.ca_file is not None or self.client_certificate is not None):
            raise ValueError("give plain_http, or ca_file and client_certificate, not both")
        if self.client_key is not None and self.client_certificate is None:
            raise ValueError("client_key needs client_certificate")
        if self.tokens == "batched" and self.profile.scopes_per_token == 1:
            raise ValueError(
                f"tokens batched does not work with {self.profile.kind}: each of its tokens is for one repository"
            )
        return self

    def _check_discovery(self) -> None:
        """Check that the discovery method has what it needs; `auto` takes the first that the registry has."""
        if self.discovery is DiscoveryMethod.LIST:
            raise ValueError("discovery list needs repositories_from")
        if self.discovery is DiscoveryMethod.WALK and not self.target.prefix:
            raise ValueError("discovery walk needs a target with a prefix: HOST/PROJECT")
        if self.discovery is DiscoveryMethod.DOCKER_HUB is not self.profile.api_discovery:
            raise ValueError(f"discovery docker-hub needs kind docker-hub, not {self.profile.kind}")
        if self.discovery_method is DiscoveryMethod.DOCKER_HUB and not self.target.prefix:
            raise ValueError("discovery docker-hub needs a target with a namespace: docker.io/NAMESPACE")
        if self.discovery_method is DiscoveryMethod.API:
            self._check_own_api()
        if self.discovery is DiscoveryMethod.AUTO and self.profile.prefix_hint and not self.target.prefix:
            raise ValueError(self.profile.prefix_hint)
        if self.discovery is DiscoveryMethod.AUTO and self.profile.discovery == (DiscoveryMethod.API,):
            self._check_own_api()

    def _check_own_api(self) -> None:
        """Check that names can come from the product's own API."""
        api = self.profile.api
        if api is None or not api.lists_names:
            raise ValueError(
                f"discovery api needs a product whose own API lists names, and {self.profile.kind} has none"
            )
        if api.needs_namespace and not self.target.prefix:
            raise ValueError(f"discovery api needs a target with a namespace: {api.label} lists one at a time")
        if not self.own_api_url:
            raise ValueError(
                f"{api.label} is not known for this host: set registry.apis.own to its URL, "
                "or name the repositories with repositories_from (--repositories-from)"
            )

    def _check_images_from(self) -> None:
        api = self.profile.api
        if self.profile.is_google or self.discovery_method is DiscoveryMethod.ARTIFACT_REGISTRY:
            if self.discovery_method is not DiscoveryMethod.ARTIFACT_REGISTRY:
                raise ValueError("images_from api needs discovery artifact-registry")
        elif api is None or not (api.lists_images or api.lists_images_with_names):
            raise ValueError(
                f"images_from api needs a product whose own API lists images, and {self.profile.kind} has none"
            )
        elif not api.lists_images:
            if self.repositories_from is not None or self.discovery not in {DiscoveryMethod.AUTO, DiscoveryMethod.API}:
                raise ValueError(f"images_from api needs discovery api: {api.label} lists names and images together")
        elif not self.own_api_url and not api.lists_images_at_registry:
            raise ValueError(
                f"images_from api: {api.label} is not known for this host: set registry.apis.own to its URL"
            )

    @property
    def own_api_url(self) -> str:
        """The base URL of the product's own API; "" where it is not known."""
        if self.apis.own is not None:
            return self.apis.own
        if self.profile.kind == "docker-hub":
            return self.apis.docker_hub
        url = self.profile.api_url(self.target.host)
        return f"{self.scheme}://{self.target.registry}" if url == "" else url or ""

    @property
    def own_api_is_at_registry(self) -> bool:
        """Whether the product's own API is at the registry's host."""
        return self.own_api_url == f"{self.scheme}://{self.target.registry}"

    @property
    def own_api_belongs_to_target(self) -> bool:
        """Whether the product's own API is that of the target, by its host or by the configuration.

        A mirror of Docker Hub has a password of its own, which must not go to Docker, and images of its own.
        """
        is_configured = bool({"own", "docker_hub"} & self.apis.model_fields_set)
        return is_configured or self.profile.api_url(self.target.host) is not None

    @property
    def discovery_method(self) -> DiscoveryMethod:
        """The method as configured, where `api` is the method of the product's own API."""
        return self.profile.api_discovery or self.discovery if self.discovery is DiscoveryMethod.API else self.discovery

    @property
    def profile(self) -> RegistryProfile:
        """The profile of the registry product, by `kind`, else by host."""
        return profile_for(self.target, self.kind)

    @property
    def api_url(self) -> str:
        """The base URL of the registry's API, `https://HOST/v2/`.

        Some products are known by one host and answer on another: docker.io is served by registry-1.docker.io.
        """
        api_host = self.profile.api_host if host_matches(self.target.host, self.profile.hosts) else ""
        return f"{self.scheme}://{api_host or self.target.registry}{self.api_path}"

    @property
    def scheme(self) -> str:
        """`http` with plain_http; by default also for this machine itself, unless certificates are configured."""
        default = self.target.is_loopback and self.ca_file is None and self.client_certificate is None
        is_plain = default if self.plain_http is None else self.plain_http
        return "http" if is_plain else "https"
