"""What mends a refusal: the command of the vendor's own tool where there is one, else the crawl's own hint.

An advice follows from the error and the configuration alone. Where the cause is not certain there is none.
"""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from crawler.config import RegistryConfig
from crawler.doctor.clock import SET_CLOCK
from crawler.errors import (
    CrawlerError,
    CredentialsError,
    Denied,
    RegistryError,
    SnapshotError,
    TimedOut,
    Unreachable,
    UnusableResponse,
)
from crawler.profiles import google_project
from crawler.run.hints import hint
from crawler.vendors.ecr import EcrHost

# What an advice quotes of an error goes into a command that an operator copies, and a registry or an API may have
# written it: only the characters of ids, accounts and hosts are taken.
_ID: Final = r"[A-Za-z0-9][A-Za-z0-9.:_-]*"
_EMAIL: Final = r"[A-Za-z0-9][A-Za-z0-9.+_-]*@[A-Za-z0-9][A-Za-z0-9.-]*"

_REFUSED_LOGIN: Final = re.compile(r"refuses the credentials: 40[13]|the credentials were refused")
_NO_LOGIN: Final = "no docker or podman login"
_UNTRUSTED_REALM: Final = re.compile(rf"the token server (?P<host>{_ID}) of \S+ is not trusted")
_QUOTA_PROJECT: Final = re.compile(rf"may not use the quota project (?P<project>{_ID}) \(")
_IMPERSONATED: Final = re.compile(rf"IAM refuses to impersonate (?P<account>{_EMAIL}): ")
_DELETED_KEY: Final = re.compile(rf"the key of (?P<account>{_EMAIL}) was deleted|the service account {_EMAIL} is gone")
_API_PROJECT: Final = re.compile(rf"/v1/projects/(?P<project>{_ID})/")
_WRONG_CLOCK: Final = re.compile("the clock of this machine (is wrong: it shows|seems wrong)|check the clock")
_PROXY_FAILURE: Final = re.compile(
    r"(the name of|no connection to|through) the proxy |the proxy \S+ (refuses|requires|makes no)"
)
_PROXY_VARIABLE: Final = re.compile("(HTTP|HTTPS|ALL)_PROXY (names a proxy|is not the URL)")
_VENDORS: Final = frozenset({"ecr", "ecr-public", "acr", "ghcr", "docker-hub"})
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
    if re.fullmatch(_EMAIL, account) is None:
        return "serviceAccount:ACCOUNT"
    return f"{'serviceAccount' if account.endswith(_SERVICE_ACCOUNT) else 'user'}:{account}"


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
    """Sign in again, with the vendor's tool."""
    status = error.http_status if isinstance(error, Denied) else None
    if registry.profile.kind not in _VENDORS or not (status == 401 or _is_login_refused(registry, error)):
        return ""
    if registry.auth.username is None:
        return f"run {login_command(registry)}"
    if registry.profile.kind != "ecr":
        return ""
    region = EcrHost.of(registry.target).region or "REGION"
    return f"`aws ecr get-login-password --region {region}` prints a new password, for AWS as username"


def _is_login_refused(registry: RegistryConfig, error: CrawlerError) -> bool:
    """Whether the login itself is refused. ECR says so with 403, too, once a password is older than 12 hours."""
    is_403 = isinstance(error, Denied) and error.http_status == 403
    return _REFUSED_LOGIN.search(str(error)) is not None or (registry.profile.kind == "ecr" and is_403)


def _no_login(registry: RegistryConfig, _: str, error: CrawlerError) -> str:
    return f"run {login_command(registry)}" if _NO_LOGIN in str(error) else ""


def _untrusted_realm(_: RegistryConfig, __: str, error: CrawlerError) -> str:
    refused = _UNTRUSTED_REALM.search(str(error))
    return "" if refused is None else f'if it may see the credentials: registry.realms = ["{refused["host"]}"]'


def _aws(_: RegistryConfig, __: str, error: CrawlerError) -> str:
    return aws_advice(str(error))


def aws_advice(text: str) -> str:
    """What mends that a request to AWS's APIs cannot be signed, if a text says so; "" else."""
    if "botocore, which is not installed" in text:
        return "`pip install 'registry-crawler[aws]'`"
    return "set AWS_PROFILE, or run `aws sso login`" if "no AWS credentials were found" in text else ""


def _clock(_: RegistryConfig, __: str, error: CrawlerError) -> str:
    is_own_word = isinstance(error, CredentialsError | UnusableResponse)
    return SET_CLOCK if is_own_word and _WRONG_CLOCK.search(str(error)) else ""


def _tls(registry: RegistryConfig, _: str, error: CrawlerError) -> str:
    text = str(error)
    if not (isinstance(error, UnusableResponse) and error.code in {"TLS", "NOT_HTTP"}):
        return ""
    address = urlsplit(registry.api_url)
    host = address.netloc if address.port else f"{address.netloc}:443"
    show = f"openssl s_client -connect {host} </dev/null"
    if "certificate has expired" in text:
        return f"renew the server's certificate: `{show} | openssl x509 -noout -dates` shows until when it was valid"
    if "a name that its certificate has" in text:
        return f"`{show} | openssl x509 -noout -ext subjectAltName` shows the names of the certificate"
    if "--ca-file" in text:
        return f"give --ca-file FILE (registry.ca_file); `{show} -showcerts` shows the chain"
    if "registry.client_certificate" in text:
        return "set registry.client_certificate and registry.client_key to the PEM files"
    return next((f"use {flag}" for flag in ("--no-plain-http", "--plain-http") if flag in text), "")


def _proxy(registry: RegistryConfig, _: str, error: CrawlerError) -> str:
    is_by_proxy = isinstance(error, Unreachable | UnusableResponse) and _PROXY_FAILURE.search(error.message)
    if not is_by_proxy and not (isinstance(error, CredentialsError) and _PROXY_VARIABLE.match(str(error))):
        return ""
    variable = "HTTPS_PROXY" if registry.scheme == "https" else "HTTP_PROXY"
    if isinstance(error, RegistryError) and error.http_status == 407:
        return f"set {variable}=http://USER:PASSWORD@HOST:PORT"
    return f"set {variable}=http://HOST:PORT to a proxy that answers, or add {registry.target.host} to NO_PROXY"


def _slow(_: RegistryConfig, __: str, error: CrawlerError) -> str:
    if isinstance(error, TimedOut) and "no answer within" in str(error):
        return "check the load of the registry, and the proxy in front of it; the connection itself is open"
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
