"""What to do about a run that ended without a snapshot, where its error alone does not say it.

A hint is drawn from the error and the configuration alone: no file is read for it, and no server asked. One that does
not fit sends people the wrong way at night, so that where nothing is sure there is none.
"""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from crawler.config import RegistryConfig
from crawler.errors import CrawlerError, CredentialsError, Denied, GaveUp, Missing, RegistryError
from crawler.model.auth_method import AuthMethod
from crawler.profiles import DISTRIBUTION, DiscoveryMethod, host_matches

_FROM_A_LIST: Final = "--repositories-from FILE"
_LOGINS: Final = "--username with --password-file"

_IS_OFF: Final = re.compile(r"API has not been used in project (?P<project>\S+) before or it is disabled")
_API_HOST: Final = re.compile(r"[a-z]+\.googleapis\.com")
_API_TITLES: Final = {
    "Artifact Registry API": "artifactregistry.googleapis.com",
    "Cloud Resource Manager API": "cloudresourcemanager.googleapis.com",
    "Container Registry API": "containerregistry.googleapis.com",
}
_GCLOUDS_OWN: Final = frozenset({"764086051850", "32555940559"})
"""The projects of gcloud's own clients: they count for a person's credentials without a quota project."""

_KIND_OF_REALM: Final = {"/v2/auth": "quay", "/service/token": "harbor", "/jwt/auth": "gitlab"}
"""Whose token server it is, by the path of its address."""

_NO_CATALOG: Final = frozenset({400, 404, 405, 501})
"""Statuses of registries without a catalog."""

_UNKNOWN_NAME: Final = re.compile(r"the name (?P<host>\S+) is not known \(DNS\)")


def hint(of: RegistryConfig, error: CrawlerError) -> str:
    """One hint, in words for the operator and without parentheses; "" where there is none that fits."""
    return next((advice for about in _HINTS if (advice := about(of, error))), "")


def _api_is_off(_: RegistryConfig, error: CrawlerError) -> str:
    text = str(error)
    said = _IS_OFF.search(text)
    if said is None and getattr(error, "code", "") != "SERVICE_DISABLED":
        return ""
    consumer = error.consumer.removeprefix("projects/") if isinstance(error, RegistryError) else ""
    project = consumer or (said["project"] if said else "")
    named = next((host for title, host in _API_TITLES.items() if title in text), "")
    found = _API_HOST.search(text)
    service = named or (found[0] if found else "artifactregistry.googleapis.com")
    if project in _GCLOUDS_OWN:
        return f"set GOOGLE_CLOUD_QUOTA_PROJECT to a project of yours in which {service} is enabled"
    return f"enable the API: gcloud services enable {service} --project {project or 'PROJECT'}"


def _perimeter(_: RegistryConfig, error: CrawlerError) -> str:
    if "SECURITY_POLICY_VIOLATED" not in str(error) and "vpcServiceControlsUniqueIdentifier" not in str(error):
        return ""
    return "VPC Service Controls refuse it: an administrator finds the refused access by that identifier"


def _project(of: RegistryConfig, error: CrawlerError) -> str:
    if isinstance(error, Missing) and of.profile.is_google and "/projects/" in error.request:
        return f"check the project in {of.target}, and registry.location"
    return ""


def _catalog(of: RegistryConfig, error: CrawlerError) -> str:
    """What opens a catalog, or does without one."""
    if not isinstance(error, RegistryError) or "an HTML page" in error.message:
        return ""
    if "/_catalog" not in error.request and not (_is_about_scope(error) and _wants_catalog(of)):
        return ""
    kind = _kind(of, error)
    if kind in {"quay", "harbor"}:
        return f"this looks like {kind.capitalize()}, whose catalog needs --kind {kind}"
    without = " or ".join([_FROM_A_LIST, *_other_discoveries(of)])
    quay = "; if it is Quay: --kind quay" if error.http_status in {400, 401} and _is_unknown(of) else ""
    if isinstance(error, Denied):
        return f"{_credentials_advice(of, error.http_status)}; {without} needs no catalog{quay}"
    if error.http_status == 404 and error.code == "HTTP_404":
        here = "(its host and port, registry.api_path)"
        return f"check that a registry is there {here}; if it is one without a catalog, {without} needs none"
    if error.http_status in _NO_CATALOG or error.code == "UNSUPPORTED":
        return f"the registry may have no catalog: {without} needs none{quay}"
    return ""


def _is_about_scope(error: RegistryError) -> bool:
    """Whether a token server refuses what was asked for; by 401 it refuses the credentials, whatever they ask for."""
    return error.message.startswith("the token server:") and error.http_status != 401


def _wants_catalog(of: RegistryConfig) -> bool:
    if of.repositories_from is not None:
        return False
    tried = of.profile.discovery if of.discovery is DiscoveryMethod.AUTO else (of.discovery,)
    return tried[:1] == (DiscoveryMethod.CATALOG,)


def _is_unknown(of: RegistryConfig) -> bool:
    """Whether nothing says which product the registry is."""
    return of.kind is None and of.profile is DISTRIBUTION


def _kind(of: RegistryConfig, error: RegistryError) -> str:
    """The product by the address of its token server, where nothing else says it; "" for an unknown one."""
    path = urlsplit(error.request.partition(" ")[2]).path
    return _KIND_OF_REALM.get(path, "") if _is_unknown(of) else ""


def _other_discoveries(of: RegistryConfig) -> list[str]:
    """The ways to find names that this registry has beside its catalog, as flags."""
    needs_more = {DiscoveryMethod.CATALOG, of.discovery} | (set() if of.target.prefix else {DiscoveryMethod.WALK})
    return [f"--discovery {method}" for method in of.profile.discovery if method not in needs_more]


def _refused(of: RegistryConfig, error: CrawlerError) -> str:
    if isinstance(error, Denied):
        return "" if "an HTML page" in error.message else _credentials_advice(of, error.http_status)
    if isinstance(error, GaveUp) and "the credentials were refused" in str(error):
        return _credentials_advice(of, 401)
    refusal = re.search("refuses the credentials: (?P<status>401|403)", str(error))
    if isinstance(error, CredentialsError) and refusal is not None:
        return _credentials_advice(of, int(refusal["status"]))
    return ""


def _credentials_advice(of: RegistryConfig, http_status: int | None) -> str:
    """What to try with other credentials, or other rights for the same ones."""
    method, registry = of.auth.method, of.target.registry
    if method is AuthMethod.ANONYMOUS:
        instead = (
            "--key-file, or --auth docker-config" if of.profile.is_google else f"{_LOGINS}, or --auth docker-config"
        )
        return f"--auth anonymous sends no credentials: give {instead}, which takes docker's login"
    if http_status == 403:
        return "check what the account may do: its roles" if of.profile.is_google else "check what the account may do"
    if of.auth.username is not None:
        return "check --username and the password (--password-file, --password-stdin)"
    if method is AuthMethod.DOCKER_CONFIG:
        return f"run `docker login {registry}` again"
    if of.profile.is_google:
        return "check the account (--key-file); for public repositories use --auth anonymous"
    if of.auth.key_file is not None:
        return "check --key-file"
    return f"run `docker login {registry}`, or give {_LOGINS}"


def _no_google_credentials(of: RegistryConfig, error: CrawlerError) -> str:
    about_google = re.search("Application Default Credentials|Google refuses the credentials", str(error))
    if not isinstance(error, CredentialsError | GaveUp) or not of.profile.is_google or about_google is None:
        return ""
    return "for public repositories use --auth anonymous, for docker's login --auth docker-config"


def _unreachable(of: RegistryConfig, error: CrawlerError) -> str:
    text = str(error)
    if not isinstance(error, RegistryError | GaveUp) or "proxy" in text:
        return ""  # an error of a proxy says itself what to do
    variable = "HTTPS_PROXY" if of.scheme == "https" else "HTTP_PROXY"
    if unknown := _UNKNOWN_NAME.search(text):
        is_known = host_matches(of.target.host, of.profile.hosts)
        check = "this machine's DNS" if is_known else f"the spelling of {unknown['host']}"
        return f"check {check}; where only a proxy leads out, set {variable}"
    if "(limits.connect_timeout)" in text:
        return f"check the host, its port and the firewalls; where only a proxy leads out, set {variable}"
    if "Connection refused" in text and of.target.registry in text:
        return f"check that a registry listens at {of.target.registry}"
    return ""


_HINTS: Final[tuple[Callable[[RegistryConfig, CrawlerError], str], ...]] = (
    _api_is_off,
    _perimeter,
    _project,
    _catalog,
    _refused,
    _no_google_credentials,
    _unreachable,
)
"""In this order: the first that knows the error speaks."""
