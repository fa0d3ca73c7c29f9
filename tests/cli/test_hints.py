"""What to do about a run that ended without a snapshot: a hint where one fits, and none where it does not."""

import pytest
from support.run_cli import ONE_TRY
from support.scripted import catalog_path, on, plain_registry, refusal, serve

from crawler.config import RegistryConfig
from crawler.errors import (
    CredentialsError,
    Denied,
    GaveUp,
    Interrupted,
    MalformedResponse,
    Missing,
    SnapshotError,
    UnexpectedStatus,
    Unreachable,
    UnusableResponse,
)
from crawler.run.hints import hint

HOST = "registry.example.com"
CATALOG = f"GET https://{HOST}/v2/_catalog?n=1000"
TOKENS = f"GET https://{HOST}"
LISTING = f"GET https://{HOST}/v2/team/app/tags/list"
PASSWORD = {"username": "robot", "password": "secret"}
NO_ADC = "no key file is named, and there are no Application Default Credentials: give --key-file, or run `gcloud …`"
API_OFF = (
    "Artifact Registry API has not been used in project 42 before or it is disabled. Enable it by visiting "
    "https://console.developers.google.com/apis/api/artifactregistry.googleapis.com/overview?project=42"
)


def registry(target: str = HOST, *, auth: dict | None = None, **table) -> RegistryConfig:
    return RegistryConfig(target=target, auth=auth or {}, **table)


def denied(
    request: str = CATALOG, status: int = 401, message: str = "no", code: str = "UNAUTHORIZED", consumer: str = ""
):
    return Denied(request, code=code, message=message, http_status=status, consumer=consumer)


def status(number: int, request: str = CATALOG, code: str = "", message: str = "no reason given"):
    return UnexpectedStatus(request, code=code or f"HTTP_{number}", message=message, http_status=number)


@pytest.mark.parametrize(
    ("config", "error", "expected"),
    [
        pytest.param(
            registry(),
            denied(),
            f"run `docker login {HOST}`, or give --username with --password-file; "
            "--repositories-from FILE needs no catalog; if it is Quay: --kind quay",
            id="anonymous at the catalog",
        ),
        pytest.param(
            registry(auth=PASSWORD),
            denied(),
            "check --username and the password (--password-file, --password-stdin); "
            "--repositories-from FILE needs no catalog; if it is Quay: --kind quay",
            id="a wrong password at the catalog",
        ),
        pytest.param(
            registry(auth=PASSWORD),
            denied(status=403, code="DENIED"),
            "check the permissions of the account; --repositories-from FILE needs no catalog",
            id="no right to the catalog",
        ),
        pytest.param(
            registry(auth={"method": "docker-config"}),
            denied(),
            f"run `docker login {HOST}` again; --repositories-from FILE needs no catalog; if it is Quay: --kind quay",
            id="an expired login",
        ),
        pytest.param(
            registry(kind="harbor", auth={"method": "anonymous"}),
            denied(),
            "--auth anonymous sends no credentials: give --username with --password-file, "
            "or --auth docker-config for docker's login; --repositories-from FILE needs no catalog",
            id="anonymous where credentials are wanted",
        ),
        pytest.param(
            registry("gcr.io/p", auth={"method": "anonymous"}),
            denied(LISTING),
            "--auth anonymous sends no credentials: give --key-file, or --auth docker-config for docker's login",
            id="anonymous at Google",
        ),
        pytest.param(
            registry("gcr.io/p"),
            denied(LISTING),
            "check the account (--key-file); for public repositories use --auth anonymous",
            id="Google: an account that is not known",
        ),
        pytest.param(
            registry("gcr.io/p"),
            denied(LISTING, 403, code="DENIED"),
            "check the roles of the account",
            id="Google: an account without the role",
        ),
        pytest.param(
            registry("gcr.io"),
            CredentialsError("https://gcr.io/v2/ refuses the credentials: 401 UNAUTHORIZED: no"),
            "check the account (--key-file); for public repositories use --auth anonymous",
            id="Google: credentials refused at the ping",
        ),
        pytest.param(
            registry("us-docker.pkg.dev/p/r"),
            CredentialsError(NO_ADC),
            "for public repositories use --auth anonymous, for docker's login --auth docker-config",
            id="Google: no credentials",
        ),
        pytest.param(
            registry(auth=PASSWORD),
            CredentialsError(f"https://{HOST}/v2/ refuses the credentials: 401 UNAUTHORIZED: no"),
            "check --username and the password (--password-file, --password-stdin)",
            id="a wrong password at the ping",
        ),
        pytest.param(
            registry(auth=PASSWORD),
            status(404, code="HTTP_404"),
            "check that a registry is there (its host and port, registry.api_path); "
            "if the registry has no catalog, --repositories-from FILE needs none",
            id="no catalog: 404",
        ),
        pytest.param(
            registry(),
            Missing(CATALOG, code="NAME_UNKNOWN", message="no", http_status=404),
            "the registry may have no catalog: --repositories-from FILE needs none",
            id="no catalog: the registry's own 404",
        ),
        pytest.param(
            registry(kind="nexus", discovery="catalog"),
            status(405, code="UNSUPPORTED"),
            "the registry may have no catalog: --repositories-from FILE or --discovery api needs none",
            id="no catalog, and an API",
        ),
        pytest.param(
            registry(kind="nexus"),
            status(405, code="UNSUPPORTED"),
            "the registry may have no catalog: --repositories-from FILE needs none",
            id="no catalog: 405",
        ),
        pytest.param(
            registry(),
            status(400),
            "the registry may have no catalog: --repositories-from FILE needs none; if it is Quay: --kind quay",
            id="no catalog: 400",
        ),
        pytest.param(
            registry("gcr.io", discovery="catalog"),
            status(404),
            "check that a registry is there (its host and port, registry.api_path); "
            "if the registry has no catalog, --repositories-from FILE or --discovery artifact-registry needs none",
            id="Google's catalog",
        ),
        pytest.param(
            registry("docker.io/library", discovery="catalog"),
            denied(),
            "run `docker login docker.io`, or give --username with --password-file; "
            "--repositories-from FILE or --discovery docker-hub needs no catalog",
            id="Docker Hub's catalog",
        ),
        pytest.param(
            registry(),
            status(400, f"{TOKENS}/v2/auth", message="the token server: Unable to decode repository and actions"),
            "this looks like Quay, whose catalog needs --kind quay",
            id="Quay by another name",
        ),
        pytest.param(
            registry(auth=PASSWORD),
            denied(f"{TOKENS}/service/token", 403, message="the token server: no"),
            "this looks like Harbor, whose catalog needs --kind harbor",
            id="Harbor by another name",
        ),
        pytest.param(
            registry(auth=PASSWORD),
            denied(f"{TOKENS}/jwt/auth", 403, message="the token server: access forbidden"),
            "check the permissions of the account; --repositories-from FILE needs no catalog",
            id="GitLab's catalog",
        ),
        *(
            pytest.param(
                registry(auth=PASSWORD),
                denied(f"{TOKENS}{path}", message="the token server: no"),
                "check --username and the password (--password-file, --password-stdin)",
                id=f"a wrong password at {path}",
            )
            for path in ("/token", "/v2/auth", "/service/token", "/jwt/auth")
        ),
        pytest.param(
            registry(auth=PASSWORD),
            GaveUp("the credentials were refused 10 times in a row, and are tried no more; last: no"),
            "check --username and the password (--password-file, --password-stdin)",
            id="credentials refused ten times",
        ),
        pytest.param(
            registry("gcr.io/p"),
            Unreachable(CATALOG, code="UNREACHABLE", message="the name gcr.io is not known (DNS): no"),
            "check this machine's DNS; if this network needs a proxy, set HTTPS_PROXY",
            id="a known name that is unknown",
        ),
        pytest.param(
            registry("gcr.io/p"),
            denied(LISTING, 403, API_OFF, "SERVICE_DISABLED", "projects/42"),
            "enable the API: gcloud services enable artifactregistry.googleapis.com --project 42",
            id="an API that is off",
        ),
        pytest.param(
            registry("gcr.io"),
            denied(CATALOG, 403, API_OFF.replace("Artifact Registry", "Cloud Resource Manager"), "DENIED"),
            "enable the API: gcloud services enable cloudresourcemanager.googleapis.com --project 42",
            id="an API that is off, reported by the registry",
        ),
        pytest.param(
            registry("gcr.io"),
            CredentialsError(f"https://gcr.io/v2/ refuses the credentials: 403 DENIED: {API_OFF}"),
            "enable the API: gcloud services enable artifactregistry.googleapis.com --project 42",
            id="an API that is off, at the ping",
        ),
        pytest.param(
            registry("gcr.io"),
            denied(LISTING, 403, "artifactregistry.googleapis.com", "SERVICE_DISABLED", "projects/764086051850"),
            "set GOOGLE_CLOUD_QUOTA_PROJECT to a project of yours in which artifactregistry.googleapis.com is enabled",
            id="a person's credentials without a quota project",
        ),
        pytest.param(
            registry("gcr.io"),
            denied(CATALOG, 403, "prohibited. vpcServiceControlsUniqueIdentifier: XYZ", "DENIED"),
            "VPC Service Controls refused the request: an administrator can look up that identifier in the audit log",
            id="VPC Service Controls",
        ),
        pytest.param(
            registry("gcr.io/p"),
            Missing("GET https://a.googleapis.com/v1/projects/p/locations", code="NOT_FOUND", message="no"),
            "check the project in gcr.io/p, and registry.location",
            id="a project that is not there",
        ),
        pytest.param(
            registry(),
            Unreachable(CATALOG, code="UNREACHABLE", message=f"the name {HOST} is not known (DNS): no"),
            f"check the spelling of {HOST}; if this network needs a proxy, set HTTPS_PROXY",
            id="an unknown name",
        ),
        pytest.param(
            registry(plain_http=True),
            GaveUp(f"http://{HOST} has not answered for 60 s; last: the name {HOST} is not known (DNS): no"),
            f"check the spelling of {HOST}; if this network needs a proxy, set HTTP_PROXY",
            id="an unknown name, for long",
        ),
        pytest.param(
            registry(),
            Unreachable(
                CATALOG, code="TIMEOUT", message=f"no connection to {HOST} within 10 s (limits.connect_timeout)"
            ),
            "check the host, its port and the firewalls; if this network needs a proxy, set HTTPS_PROXY",
            id="no connection in time",
        ),
        pytest.param(
            registry(),
            Unreachable(CATALOG, code="UNREACHABLE", message=f"no connection to {HOST}: Connection refused"),
            f"check that a registry listens at {HOST}",
            id="a refused connection",
        ),
    ],
)
def test_hint_for_an_error(config, error, expected):
    assert hint(config, error) == expected


@pytest.mark.parametrize(
    ("config", "error"),
    [
        pytest.param(registry(), Interrupted("stopped"), id="an interruption"),
        pytest.param(registry(), SnapshotError("disk: No space left on device"), id="the disk"),
        pytest.param(registry(), MalformedResponse("not JSON"), id="a body"),
        pytest.param(registry(), status(500), id="a broken catalog"),
        pytest.param(registry(), status(503), id="a busy catalog"),
        pytest.param(registry(), status(429), id="throttling"),
        pytest.param(
            registry(),
            UnusableResponse(
                CATALOG, code="MALFORMED", message="an HTML page came where JSON was due", http_status=200
            ),
            id="a login page",
        ),
        pytest.param(registry(), denied(message="an HTML page came where JSON was due", status=403), id="a firewall"),
        pytest.param(registry(), UnusableResponse(CATALOG, code="TLS", message="certificate has expired"), id="TLS"),
        pytest.param(
            registry(),
            Unreachable(CATALOG, code="TIMEOUT", message="nothing came for 60 s (limits.read_timeout)"),
            id="a silence",
        ),
        pytest.param(
            registry(),
            Unreachable(CATALOG, code="UNREACHABLE", message="the name of the proxy p is not known (DNS): no"),
            id="a proxy",
        ),
        pytest.param(registry(), CredentialsError(f"no docker or podman login for {HOST}"), id="no login"),
        pytest.param(registry(), CredentialsError("ca.pem: cannot be read: No such file"), id="a file"),
        pytest.param(registry("gcr.io"), CredentialsError("key.json: the key file is not JSON"), id="a key file"),
        pytest.param(registry(auth=PASSWORD), CredentialsError(NO_ADC), id="Google's credentials for another's host"),
        pytest.param(
            registry(repositories_from=__file__),
            status(400, f"{TOKENS}/v2/auth", message="the token server: no"),
            id="a token server where no catalog is wanted",
        ),
        pytest.param(registry(), status(404, LISTING), id="a listing"),
        pytest.param(registry(), status(403, f"{TOKENS}/v2/"), id="a ping that is refused"),
    ],
)
def test_hint_is_empty_where_the_cause_is_uncertain(config, error):
    assert hint(config, error) == ""


@pytest.mark.parametrize("code", ["SERVICE_DISABLED", "SECURITY_POLICY_VIOLATED"])
def test_hint_for_google_policies_does_not_name_a_name_list(code):
    assert "--repositories-from" not in hint(registry("gcr.io"), denied(CATALOG, 403, "no", code))


@pytest.mark.parametrize("kind", [None, "quay"])
def test_hint_names_no_kind_where_the_kind_is_configured(kind):
    error = status(400, f"{TOKENS}/v2/auth", message="the token server: no")
    assert ("--kind quay" in hint(registry(kind=kind), error)) == (kind is None)


def test_hint_with_a_name_list_does_not_mention_the_catalog():
    given = registry(repositories_from=__file__, auth=PASSWORD)
    error = denied(f"{TOKENS}/token", message="the token server: no")
    assert hint(given, error) == "check --username and the password (--password-file, --password-stdin)"


async def test_hint_follows_the_error_in_parentheses(command):
    script = [on(catalog_path(), refusal(404, "NAME_UNKNOWN", "no such thing")), *plain_registry()]
    async with serve(script) as server:
        ended = await command("crawl", server.host, environment=ONE_TRY)
    assert ended.code == 1
    assert ended.complaint.endswith(
        "404 NAME_UNKNOWN: no such thing (the registry may have no catalog: --repositories-from FILE needs none)"
    )


async def test_hint_for_a_port_where_nothing_listens(command, dead_port):
    ended = await command("crawl", dead_port, environment=ONE_TRY)
    assert ended.code == 1
    assert ended.complaint.endswith(f"Connection refused (check that a registry listens at {dead_port})")
