"""Every refusal has its pair: it is scripted, and the advice, applied to the script, makes doctor pass.

Some pairs are here, in one table; test_doctor_refusals.py says where the others are.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from registries.ecr_api import SETTINGS, Held
from registries.ecr_api import api as ecr_api
from registries.ecr_api import protocol as ecr_protocol
from support.docker_home import packed
from support.doctor_runs import Diagnosis, config, examine
from support.scripted import (
    Entry,
    Reply,
    basic_registry,
    catalog_path,
    document,
    listing_path,
    on,
    plain_registry,
    refusal,
    serve,
    silent,
    token_registry,
)
from support.scripted_google import EMPTY_CATALOG, REPOSITORIES, disabled_api, node, projects, repositories, repository

from crawler.doctor.checkup import STEP_LIMIT_S

PASSWORD = "s3cret-pass"
LOGIN = {"auth": {"method": "basic", "username": "robot", "password": PASSWORD}}
ALL_LISTINGS = [listing_path(name) for name in ("alpha", "team/victim", "zulu")]
NO = refusal(403, "DENIED", "no")
WRONG = refusal(401, "UNAUTHORIZED", "no", ("WWW-Authenticate", 'Basic realm="ours"'))
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIDSCRIPTED",
    "AWS_SECRET_ACCESS_KEY": "secret-key-of-the-account",
    "AWS_SESSION_TOKEN": "session-token-of-the-account",
    "AWS_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A refusal, and what is left of it once its advice was applied.

    Attributes:
        refused: the script that refuses.
        mended: the script once the other side has done what is advised; None where it stays as it is.
        table: keys of the registry's table. `{origin}` stands for the server's URL.
        mended_table: what the advice changes of them.
        variables: the environment. `{home}` stands for a folder.
        mended_variables: what the advice changes of it.
        step, state, advice: what doctor finds of the refusal; `{host}` stands for the server's.
        limit_s: how long a step may take that meets the refusal.
    """

    refused: Sequence[Entry]
    mended: Sequence[Entry] | None = None
    table: Mapping[str, Any] = field(default_factory=dict)
    mended_table: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    mended_variables: Mapping[str, str] = field(default_factory=dict)
    step: str
    state: str = "warning"
    advice: str
    limit_s: float = STEP_LIMIT_S


TREE = (node("acme", "team"), node("acme/team", "app"), repository("acme/team/app"), EMPTY_CATALOG)
GOOGLE = (on("/v2/", document({})), projects("acme"), repositories("acme", team="7"), *TREE)
GOOGLE_TABLE = {
    "kind": "artifact-registry",
    "location": "us",
    "auth": {"method": "basic", "username": "oauth2accesstoken", "password": "ya29.secret"},
    "apis": {"artifact_registry": "{origin}", "resource_manager": "{origin}"},
    "discovery": "artifact-registry",
    "prefix": "/acme",
}
READER = "Permission 'artifactregistry.repositories.list' denied"
PERIMETER = "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: x"
GUARDED = [
    on(None, WRONG, headers={"Authorization": "(?!Basic cm9ib3Q6czNjcmV0LXBhc3M=).*"}),  # robot and PASSWORD
    *basic_registry(),
]
REFUSING = [on("/v2/", WRONG), *basic_registry()]
ECR = [*ecr_api({"app": [Held(digest=f"sha256:{'ab' * 32}", tags=("1",))]}), *ecr_protocol()]
ECR_TABLE = {**SETTINGS, "discovery": "api", "images_from": "api"}


def google_refusal(status: int, message: str, code: str) -> Entry:
    error = {"error": {"code": status, "status": code, "message": message}}
    return on(REPOSITORIES.format("acme"), document(error, status=status))


WITH_QUOTA_PROJECT = on(
    REPOSITORIES.format("acme"), repositories("acme", team="7").reply, headers={"X-Goog-User-Project": "ours"}
)

TABLE: Mapping[str, Pair] = {
    "a token server that refuses one repository": Pair(
        refused=[on("/token", NO, query={"scope": "repository:alpha:pull"}), *token_registry()],
        mended=token_registry(),
        table=LOGIN,
        step="token for listing",
        advice="check the permissions of the account",
    ),
    "a catalog that does not end in time": Pair(
        refused=[on(catalog_path(), silent()), *plain_registry()],
        mended=plain_registry(),
        step="names",
        advice="check the load of the registry",
        limit_s=1,
    ),
    "a registry that does not answer": Pair(
        refused=[on("/v2/", silent()), *plain_registry()],
        mended=plain_registry(),
        step="connection",
        state="failure",
        advice="check the load of the registry, and the proxy in front of it; the connection itself is open",
        limit_s=1,
    ),
    "a catalog with an entry that is no name": Pair(
        refused=[on(catalog_path(), document({"repositories": ["alpha", 7]})), *plain_registry()],
        table={"listed": None},
        mended_table={"listed": ["alpha"]},
        step="names",
        advice="name the repositories with --repositories-from FILE",
    ),
    "every listing denied": Pair(
        refused=[*(on(path, NO) for path in ALL_LISTINGS), *plain_registry()],
        mended=plain_registry(),
        step="listing",
        advice="check the permissions of the account",
    ),
    "one listing denied": Pair(
        refused=[on(ALL_LISTINGS[0], NO), *plain_registry()],
        mended=plain_registry(),
        step="listing",
        advice="check the permissions of the account",
    ),
    "a listing that is cut": Pair(
        refused=[on(ALL_LISTINGS[0], document({"name": "alpha", "tags": ["1"], "next": "x"})), *plain_registry()],
        mended=plain_registry(),
        step="listing",
        advice="where a proxy is in front of the registry, let the header Link pass",
    ),
    "Google's reader role": Pair(
        refused=[google_refusal(403, READER, "IAM_PERMISSION_DENIED"), *GOOGLE],
        mended=GOOGLE,
        table=GOOGLE_TABLE,
        step="repositories",
        state="failure",
        advice="`gcloud projects add-iam-policy-binding acme --member=",
    ),
    "Google's perimeter": Pair(
        refused=[google_refusal(403, PERIMETER, "PERMISSION_DENIED"), *GOOGLE],
        mended=GOOGLE,
        table=GOOGLE_TABLE,
        step="repositories",
        state="failure",
        advice="VPC Service Controls refused the request: an administrator can look up that identifier",
    ),
    "a project of Google that is not there": Pair(
        refused=[
            on(REPOSITORIES.format("acne"), document({"error": {"code": 404, "status": "NOT_FOUND"}}, status=404)),
            *GOOGLE,
        ],
        table={**GOOGLE_TABLE, "prefix": "/acne"},
        mended_table={"prefix": "/acme"},
        step="repositories",
        state="failure",
        advice="check the project in {host}/acne, and registry.location",
    ),
    "no credentials of Google": Pair(
        refused=GOOGLE,
        table={**GOOGLE_TABLE, "discovery": "auto", "auth": {"method": "access-token"}},
        mended_table={"auth": {"method": "anonymous"}},
        variables={"HOME": "{home}", "NO_GCE_CHECK": "true"},
        step="access token",
        state="failure",
        advice="for public repositories use --auth anonymous",
    ),
    "a login of docker's that the registry no longer takes": Pair(
        refused=GUARDED,
        table={"kind": "ghcr", "auth": {"method": "docker-config"}, "discovery": "catalog"},
        variables={"DOCKER_CONFIG": "{home}/old"},
        mended_variables={"DOCKER_CONFIG": "{home}/new"},
        step="sign-in",
        state="failure",
        advice="run `gh auth refresh --scopes read:packages`, then `gh auth token | docker login --username USER",
    ),
    "a login that is nearly for the registry": Pair(
        refused=plain_registry(),
        variables={"DOCKER_CONFIG": "{home}/other"},
        mended_variables={"DOCKER_CONFIG": "{home}/new"},
        step="credentials",
        advice="run `docker login {host}`",
    ),
    "a login of docker's that is refused": Pair(
        refused=GUARDED,
        table={"auth": {"method": "docker-config"}},
        variables={"DOCKER_CONFIG": "{home}/old"},
        mended_variables={"DOCKER_CONFIG": "{home}/new"},
        step="sign-in",
        state="failure",
        advice="run `docker login {host}` again",
    ),
    "no login at all": Pair(
        refused=GUARDED,
        variables={"HOME": "{home}"},
        mended_table=LOGIN,
        step="names",
        state="failure",
        advice="run `docker login {host}`, or give --username with --password-file",
    ),
    "anonymous where a login is wanted": Pair(
        refused=GUARDED,
        table={"auth": {"method": "anonymous"}},
        mended_table=LOGIN,
        step="names",
        state="failure",
        advice="--auth anonymous sends no credentials: give --username with --password-file",
    ),
    "a key that the registry refuses": Pair(
        refused=REFUSING,
        mended=basic_registry(),
        table={"auth": {"method": "json-key", "key_file": "{home}/key.json"}},
        step="sign-in",
        state="failure",
        advice="check --key-file",
    ),
    "a password of ECR that has expired": Pair(
        refused=ECR,
        table={**ECR_TABLE, "auth": {"username": "AWS", "password": "session-0"}},
        mended_table={"auth": SETTINGS["auth"]},
        variables=AWS,
        step="sign-in",
        state="failure",
        advice="`aws ecr get-login-password --region REGION` prints a new password, for AWS as username",
    ),
    "an API that is disabled in the project of gcloud's own client": Pair(
        refused=[WITH_QUOTA_PROJECT, disabled_api("acme", "projects/764086051850"), *GOOGLE],
        table=GOOGLE_TABLE,
        mended_variables={"GOOGLE_CLOUD_QUOTA_PROJECT": "ours"},
        step="repositories",
        state="failure",
        advice="set GOOGLE_CLOUD_QUOTA_PROJECT to a project of yours in which artifactregistry.googleapis.com is",
    ),
    "a registry under another path": Pair(
        refused=[
            on("/nexus/v2/", document({})),
            on("/nexus/v2/_catalog", document({"repositories": ["alpha"]})),
            on("/nexus/v2/alpha/tags/list", document({"name": "alpha", "tags": ["1"]})),
            on(None, Reply(status=404, body=b"nothing is here")),
        ],
        mended_table={"api_path": "/nexus/v2/"},
        step="names",
        state="failure",
        advice="check that a registry is there (its host and port, registry.api_path)",
    ),
    "no credentials of AWS": Pair(
        refused=ECR,
        table=ECR_TABLE,
        variables={"HOME": "{home}", "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "eu-west-1"},
        mended_variables=AWS,
        step="own API",
        advice="set AWS_PROFILE, or run `aws sso login`, or use --images-from listing",
    ),
}


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A home folder, and an environment in which no variable of this machine names credentials."""
    for name in (
        *AWS,
        "AWS_PROFILE",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "CLOUDSDK_CONFIG",
        "GOOGLE_CLOUD_QUOTA_PROJECT",
    ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


async def diagnosed(
    script: Sequence[Entry],
    table: Mapping[str, Any],
    variables: Mapping[str, str],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    limit_s: float = STEP_LIMIT_S,
) -> tuple[Diagnosis, str]:
    """What doctor finds at a server with this script, and the server's HOST:PORT."""
    async with serve(script) as server:
        for folder, host, password in (
            ("old", server.host, "guess"),
            ("new", server.host, PASSWORD),
            ("other", "localhost:1", PASSWORD),
        ):
            (home / folder).mkdir(exist_ok=True)
            login = {"auths": {host: packed("robot", password)}}
            (home / folder / "config.json").write_text(json.dumps(login))
        for name, value in variables.items():
            monkeypatch.setenv(name, value.replace("{home}", str(home)))
        (home / "key.json").write_text(json.dumps({"type": "service_account", "client_email": "crawler@example.com"}))
        text = json.dumps(dict(table)).replace("{origin}", server.origin).replace("{home}", str(home))
        keys = json.loads(text)
        if listed := keys.pop("listed", None):
            (home / "names").write_text("\n".join(listed))
            keys["repositories_from"] = home / "names"
        settings = config(server.host + keys.pop("prefix", ""), home, **keys)
        return await examine(settings, limit_s), server.host


@pytest.mark.parametrize("name", TABLE)
async def test_doctor_refusal_and_its_advice_applied(name, home, monkeypatch):
    pair = TABLE[name]
    found, host = await diagnosed(pair.refused, pair.table, pair.variables, home, monkeypatch, limit_s=pair.limit_s)
    assert found.code == {"warning": 3, "failure": 1}[pair.state]
    assert (found.state(pair.step), found.advice(pair.step)[: len(pair.advice.format(host=host))]) == (
        pair.state,
        pair.advice.format(host=host),
    )
    script = pair.refused if pair.mended is None else pair.mended
    table, variables = {**pair.table, **pair.mended_table}, {**pair.variables, **pair.mended_variables}
    mended, _ = await diagnosed(script, table, variables, home, monkeypatch)
    assert (mended.code, mended.amiss) == (0, {})


async def test_doctor_refusal_without_botocore(home, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "botocore"]:
        monkeypatch.delitem(sys.modules, name)
    with monkeypatch.context() as environment:
        environment.setitem(sys.modules, "botocore", None)
        found, _ = await diagnosed(ECR, ECR_TABLE, AWS, home, monkeypatch)
    mended, _ = await diagnosed(ECR, ECR_TABLE, AWS, home, monkeypatch)
    assert (found.code, found.amiss) == (3, {"own API": "warning"})
    assert found.advice("own API") == "`pip install 'registry-crawler[aws]'`, or use --images-from listing"
    assert (mended.code, mended.amiss) == (0, {})
