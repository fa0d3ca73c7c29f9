"""What mends a refusal: the command of the vendor's own tool where there is one, else the crawl's own hint.

An advice follows from the error and the configuration alone. Where the cause is not certain there is none.
"""

import re
from collections.abc import Callable
from typing import Final

from crawler.config import RegistryConfig
from crawler.doctor.clock import SET_CLOCK
from crawler.errors import (
    CrawlerError,
    CredentialsError,
    Denied,
    RegistryError,
    SnapshotError,
    TimedOut,
    UnusableResponse,
)
from crawler.profiles import google_project
from crawler.run.hints import hint
from crawler.untrusted_text import printable
from crawler.vendors.ecr import EcrHost

_REFUSED_LOGIN: Final = re.compile(r"refuses the credentials: 40[13]|the credentials were refused")
_NO_LOGIN: Final = "no docker or podman login"
_UNTRUSTED_REALM: Final = re.compile(r"the token server (?P<host>\S+) of \S+ is not trusted")
_QUOTA_PROJECT: Final = re.compile(r"may not use the quota project (?P<project>\S+) ")
_IMPERSONATED: Final = re.compile(r"IAM refuses to impersonate (?P<account>\S+@\S+?):")
_DELETED_KEY: Final = re.compile(r"the key of (?P<account>\S+) was deleted|the service account (?P<gone>\S+) is gone")
_API_PROJECT: Final = re.compile(r"/v1/projects/(?P<project>[^/?]+)/")
_VENDORS: Final = frozenset({"ecr", "ecr-public", "acr", "ghcr", "docker-hub"})
_WRONG_CLOCK: Final = re.compile("the clock of this machine (is wrong: it shows|seems wrong)|check the clock")
_NO_LOCKS: Final = "the file system has no locks"
_SERVICE_ACCOUNT: Final = ".gserviceaccount.com"


def advice(registry: RegistryConfig, account: str, error: CrawlerError) -> str:
    """What mends `error` at this registry; "" where nothing certain does. `account` is "" where it is not known."""
    found = (rule(registry, account, error) for rule in _RULES)
    return next(filter(None, found), "") or hint(registry, error)


def login_command(registry: RegistryConfig) -> str:
    """The command that signs docker, and so the crawler, in to the registry, in the words of its vendor's tool."""
    host = registry.target.registry
    into_docker = "docker login --username {} --password-stdin " + host
    match registry.profile.kind:
        case "ecr":
            region = EcrHost.of(registry.target).region or "REGION"
            return f"`aws ecr get-login-password --region {region} | {into_docker.format('AWS')}`"
        case "ecr-public":
            return f"`aws ecr-public get-login-password --region us-east-1 | {into_docker.format('AWS')}`"
        case "acr":
            return f"`az acr login --name {registry.target.host.partition('.')[0]}`"
        case "ghcr":
            return f"`gh auth refresh --scopes read:packages`, then `gh auth token | {into_docker.format('USER')}`"
        case "docker-hub":
            return "`docker login`"
        case _ if registry.profile.is_google:
            return "`gcloud auth application-default login`, or give --key-file"
        case _:
            return f"`docker login {host}`"


def google_member(account: str) -> str:
    """The account as gcloud's --member takes it."""
    if "@" not in account:
        return "serviceAccount:ACCOUNT"
    return f"{'serviceAccount' if account.endswith(_SERVICE_ACCOUNT) else 'user'}:{printable(account)}"


def _quota_project(_: RegistryConfig, account: str, error: CrawlerError) -> str:
    refused = _QUOTA_PROJECT.search(str(error))
    if refused is None:
        return ""
    return _grant(refused["project"], account, "roles/serviceusage.serviceUsageConsumer")


def _impersonation(registry: RegistryConfig, _: str, error: CrawlerError) -> str:
    refused = _IMPERSONATED.search(str(error))
    if refused is None or "roles/iam.serviceAccountTokenCreator" not in str(error):
        return ""
    return (
        f"`gcloud iam service-accounts add-iam-policy-binding {refused['account']} "
        "--member=serviceAccount:CALLER --role=roles/iam.serviceAccountTokenCreator`, where CALLER is the account "
        f"of {'the key file' if registry.auth.key_file is not None else 'the Application Default Credentials'}"
    )


def _deleted_key(_: RegistryConfig, __: str, error: CrawlerError) -> str:
    refused = _DELETED_KEY.search(str(error))
    if refused is None:
        return ""
    account = refused["account"] or "ACCOUNT"  # an account that is gone has no key, so another one is needed
    return f"`gcloud iam service-accounts keys create key.json --iam-account={account}`, then --key-file key.json"


def _google_role(registry: RegistryConfig, account: str, error: CrawlerError) -> str:
    """The role that Artifact Registry wants, where it refuses an account that it knows."""
    if not (registry.profile.is_google and isinstance(error, Denied) and error.http_status == 403):
        return ""
    if not hint(registry, error).startswith("check the roles"):
        return ""  # another cause is known: an API that is disabled, a perimeter
    named = _API_PROJECT.search(error.request)
    project = named["project"] if named else google_project(registry.target.prefix)[0]
    grant = _grant(project or "PROJECT", account, "roles/artifactregistry.reader")
    return f"{grant}, if the project is spelled so" if "may not exist" in error.message else grant


def _grant(project: str, account: str, role: str) -> str:
    return f"`gcloud projects add-iam-policy-binding {project} --member={google_member(account)} --role={role}`"


def _vendor_login(registry: RegistryConfig, _: str, error: CrawlerError) -> str:
    """Sign in again, with the vendor's tool. ECR's passwords live for 12 hours."""
    is_refused = isinstance(error, Denied) and error.http_status == 401
    if registry.profile.kind not in _VENDORS or not (is_refused or _REFUSED_LOGIN.search(str(error))):
        return ""
    if registry.auth.username is None:
        return f"run {login_command(registry)}"
    region = EcrHost.of(registry.target).region or "REGION"
    is_ecr = registry.profile.kind == "ecr"
    return (
        f"`aws ecr get-login-password --region {region}` prints a new password, for AWS as username" if is_ecr else ""
    )


def _no_login(registry: RegistryConfig, _: str, error: CrawlerError) -> str:
    return f"run {login_command(registry)}" if _NO_LOGIN in str(error) else ""


def _untrusted_realm(_: RegistryConfig, __: str, error: CrawlerError) -> str:
    refused = _UNTRUSTED_REALM.search(str(error))
    return "" if refused is None else f'if it may see the credentials: registry.realms = ["{refused["host"]}"]'


def _aws(_: RegistryConfig, __: str, error: CrawlerError) -> str:
    text = str(error)
    if "botocore, which is not installed" in text:
        return "`pip install 'registry-crawler[aws]'`"
    return "set AWS_PROFILE, or run `aws sso login`" if "no AWS credentials were found" in text else ""


def _clock(_: RegistryConfig, __: str, error: CrawlerError) -> str:
    return SET_CLOCK if _WRONG_CLOCK.search(str(error)) else ""


def _tls(registry: RegistryConfig, _: str, error: CrawlerError) -> str:
    text = str(error)
    if not (isinstance(error, UnusableResponse) and error.code in {"TLS", "NOT_HTTP"}):
        return ""
    address = registry.api_url.split("/")[2]
    if "--ca-file" in text:
        shown = address if ":" in address else f"{address}:443"
        return f"give --ca-file FILE (registry.ca_file); `openssl s_client -showcerts -connect {shown}` shows the chain"
    if "registry.client_certificate" in text:
        return "set registry.client_certificate and registry.client_key to the PEM files"
    return next((f"use {flag}" for flag in ("--no-plain-http", "--plain-http") if flag in text), "")


def _proxy(registry: RegistryConfig, _: str, error: CrawlerError) -> str:
    text, host = str(error), registry.target.host
    if not isinstance(error, RegistryError | CredentialsError) or "proxy" not in text.lower():
        return ""
    variable = "HTTPS_PROXY" if registry.scheme == "https" else "HTTP_PROXY"
    if isinstance(error, RegistryError) and error.http_status == 407:
        return f"set {variable}=http://USER:PASSWORD@HOST:PORT"
    return f"set {variable}=http://HOST:PORT to a proxy that answers, or add {host} to NO_PROXY"


def _slow(_: RegistryConfig, __: str, error: CrawlerError) -> str:
    if isinstance(error, TimedOut) and "no answer within" in str(error):
        return "check the load of the registry, and what stands before it; the connection itself is open"
    return ""


def _disk(_: RegistryConfig, __: str, error: CrawlerError) -> str:
    if not isinstance(error, SnapshotError):
        return ""
    if _NO_LOCKS in str(error):
        return "use --no-lock (output.lock = false), and let one crawl at a time write there"
    return "name a folder that this user may write with --output (output.path)"


_Rule = Callable[[RegistryConfig, str, CrawlerError], str]

_RULES: Final[tuple[_Rule, ...]] = (
    _quota_project,
    _impersonation,
    _deleted_key,
    _google_role,
    _vendor_login,
    _no_login,
    _untrusted_realm,
    _aws,
    _clock,
    _tls,
    _proxy,
    _slow,
    _disk,
)
"""In this order: the first rule that has an advice wins, and after them the hints of a crawl."""
