"""Hints: what to do about a run that ended without a snapshot, where the error message does not say it.

A hint follows from the error and the configuration alone; no file is read and no request is sent for it. A wrong hint
costs the operator more than none, so a hint is given only where the cause is certain.
"""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from crawler.config import RegistryConfig
from crawler.errors import CrawlerError, CredentialsError, Denied, GaveUp, Missing, RegistryError
from crawler.model.auth_method import AuthMethod
from crawler.profiles import DISTRIBUTION, DiscoveryMethod, host_matches

_NAME_LIST_FLAG: Final = "--repositories-from FILE"
_LOGIN_FLAGS: Final = "--username with --password-file"

_PROJECT: Final = r"[A-Za-z0-9][A-Za-z0-9.:_-]*"
"""A project's id or number. The response names it, and it goes into a command: nothing else may get there."""

_API_DISABLED: Final = re.compile(rf"API has not been used in project (?P<project>{_PROJECT}) before or it is disabled")
_API_HOST: Final = re.compile(r"[a-z]+\.googleapis\.com")
_API_TITLES: Final = {
    "Artifact Registry API": "artifactregistry.googleapis.com",
    "Cloud Resource Manager API": "cloudresourcemanager.googleapis.com",
    "Container Registry API": "containerregistry.googleapis.com",
}
_GCLOUD_CLIENT_PROJECTS: Final = frozenset({"764086051850", "32555940559"})
"""Project numbers of gcloud's own OAuth clients, which Google uses for user credentials without a quota project."""

_KIND_BY_TOKEN_PATH: Final = {"/v2/auth": "quay", "/service/token": "harbor", "/jwt/auth": "gitlab"}
"""The registry product, by the path of its token server's URL."""

_NO_CATALOG_STATUSES: Final = frozenset({400, 404, 405, 501})
"""How registries without a catalog answer `/v2/_catalog`."""

_UNKNOWN_HOST: Final = re.compile(r"the name (?P<host>\S+) is not known \(DNS\)")


def hint(registry: RegistryConfig, error: CrawlerError) -> str:
    """Return one hint for the operator, without parentheses; "" where none is certain."""
    return next((advice for rule in _RULES if (advice := rule(registry, error))), "")


def _disabled_api(_: RegistryConfig, error: CrawlerError) -> str:
    text = str(error)
    disabled = _API_DISABLED.search(text)
    if disabled is None and getattr(error, "code", "") != "SERVICE_DISABLED":
        return ""
    consumer = error.consumer.removeprefix("projects/") if isinstance(error, RegistryError) else ""
    if re.fullmatch(_PROJECT, consumer) is None:
        consumer = ""
    project = consumer or (disabled["project"] if disabled else "")
    host_of_title = next((host for title, host in _API_TITLES.items() if title in text), "")
    host = _API_HOST.search(text)
    service = host_of_title or (host[0] if host else "artifactregistry.googleapis.com")
    if project in _GCLOUD_CLIENT_PROJECTS:
        return f"set GOOGLE_CLOUD_QUOTA_PROJECT to a project of yours in which {service} is enabled"
    return f"enable the API: gcloud services enable {service} --project {project or 'PROJECT'}"


def _vpc_service_controls(_: RegistryConfig, error: CrawlerError) -> str:
    if "SECURITY_POLICY_VIOLATED" not in str(error) and "vpcServiceControlsUniqueIdentifier" not in str(error):
        return ""
    return "VPC Service Controls refused the request: an administrator can look up that identifier in the audit log"


def _missing_project(registry: RegistryConfig, error: CrawlerError) -> str:
    if isinstance(error, Missing) and registry.profile.is_google and "/projects/" in error.request:
        return f"check the project in {registry.target}, and registry.location"
    return ""


def _refused_catalog(registry: RegistryConfig, error: CrawlerError) -> str:
    """Advise how to get access to the catalog, or how to crawl without a catalog."""
    if not isinstance(error, RegistryError) or "an HTML page" in error.message:
        return ""
    if "/_catalog" not in error.request and not (_is_scope_refusal(error) and _wants_catalog(registry)):
        return ""
    kind = _kind_by_token_server(registry, error)
    if kind in {"quay", "harbor"}:
        return f"this looks like {kind.capitalize()}, whose catalog needs --kind {kind}"
    alternatives = " or ".join([_NAME_LIST_FLAG, *_other_discoveries(registry)])
    quay = "; if it is Quay: --kind quay" if error.http_status in {400, 401} and _is_unknown_product(registry) else ""
    if isinstance(error, Denied):
        return f"{_credentials_advice(registry, error.http_status)}; {alternatives} needs no catalog{quay}"
    if error.http_status == 404 and error.code == "HTTP_404":
        check = "check that a registry is there (its host and port, registry.api_path)"
        return f"{check}; if the registry has no catalog, {alternatives} needs none"
    if error.http_status in _NO_CATALOG_STATUSES or error.code == "UNSUPPORTED":
        return f"the registry may have no catalog: {alternatives} needs none{quay}"
    return ""


def _is_scope_refusal(error: RegistryError) -> bool:
    """Whether a token server refuses the scope. A 401 refuses the credentials, whatever the scope."""
    return error.message.startswith("the token server:") and error.http_status != 401


def _wants_catalog(registry: RegistryConfig) -> bool:
    if registry.repositories_from is not None:
        return False
    methods = registry.profile.discovery if registry.discovery is DiscoveryMethod.AUTO else (registry.discovery_method,)
    return methods[:1] == (DiscoveryMethod.CATALOG,)


def _is_unknown_product(registry: RegistryConfig) -> bool:
    """Whether neither `registry.kind` nor the host names the product."""
    return registry.kind is None and registry.profile is DISTRIBUTION


def _kind_by_token_server(registry: RegistryConfig, error: RegistryError) -> str:
    """Return the product by the URL of its token server, where the product is unknown otherwise; else ""."""
    path = urlsplit(error.request.partition(" ")[2]).path
    return _KIND_BY_TOKEN_PATH.get(path, "") if _is_unknown_product(registry) else ""


def _other_discoveries(registry: RegistryConfig) -> list[str]:
    """Return flags for the discovery methods that this registry has beside its catalog."""
    excluded = {DiscoveryMethod.CATALOG, registry.discovery_method}
    if not registry.target.prefix:
        excluded.add(DiscoveryMethod.WALK)
    if registry.discovery is DiscoveryMethod.AUTO or not registry.own_api_url:
        excluded.add(DiscoveryMethod.API)  # it was tried, or cannot be
    return [f"--discovery {method}" for method in registry.profile.discovery if method not in excluded]


def _refused_credentials(registry: RegistryConfig, error: CrawlerError) -> str:
    if isinstance(error, Denied):
        return "" if "an HTML page" in error.message else _credentials_advice(registry, error.http_status)
    if isinstance(error, GaveUp) and "the credentials were refused" in str(error):
        return _credentials_advice(registry, 401)
    refusal = re.search("refuses the credentials: (?P<status>401|403)", str(error))
    if isinstance(error, CredentialsError) and refusal is not None:
        return _credentials_advice(registry, int(refusal["status"]))
    return ""


def _credentials_advice(registry: RegistryConfig, http_status: int | None) -> str:
    """Advise other credentials, or other permissions for the same account."""
    method, host = registry.auth.method, registry.target.registry
    if method is AuthMethod.ANONYMOUS:
        flags = "--key-file" if registry.profile.is_google else _LOGIN_FLAGS
        return f"--auth anonymous sends no credentials: give {flags}, or --auth docker-config for docker's login"
    if http_status == 403:
        return (
            "check the roles of the account" if registry.profile.is_google else "check the permissions of the account"
        )
    if registry.auth.username is not None:
        return "check --username and the password (--password-file, --password-stdin)"
    if method is AuthMethod.DOCKER_CONFIG:
        return f"run `docker login {host}` again"
    if registry.profile.is_google:
        return "check the account (--key-file); for public repositories use --auth anonymous"
    if registry.auth.key_file is not None:
        return "check --key-file"
    return f"run `docker login {host}`, or give {_LOGIN_FLAGS}"


def _no_google_credentials(registry: RegistryConfig, error: CrawlerError) -> str:
    about_google = re.search("Application Default Credentials|Google refuses the credentials", str(error))
    if not isinstance(error, CredentialsError | GaveUp) or not registry.profile.is_google or about_google is None:
        return ""
    return "for public repositories use --auth anonymous, for docker's login --auth docker-config"


def _unreachable(registry: RegistryConfig, error: CrawlerError) -> str:
    text = str(error)
    if not isinstance(error, RegistryError | GaveUp) or "proxy" in text:
        return ""  # the message of a proxy error says what to do
    variable = "HTTPS_PROXY" if registry.scheme == "https" else "HTTP_PROXY"
    if unknown := _UNKNOWN_HOST.search(text):
        is_known = host_matches(registry.target.host, registry.profile.hosts)
        check = "this machine's DNS" if is_known else f"the spelling of {unknown['host']}"
        return f"check {check}; if this network needs a proxy, set {variable}"
    if "(limits.connect_timeout)" in text:
        return f"check the host, its port and the firewalls; if this network needs a proxy, set {variable}"
    if "Connection refused" in text and registry.target.registry in text:
        return f"check that a registry listens at {registry.target.registry}"
    return ""


_RULES: Final[tuple[Callable[[RegistryConfig, CrawlerError], str], ...]] = (
    _disabled_api,
    _vpc_service_controls,
    _missing_project,
    _refused_catalog,
    _refused_credentials,
    _no_google_credentials,
    _unreachable,
)
"""In this order: the first rule that returns a hint wins."""
