"""AWS signatures and credentials: signed as AWS computes it, renewed by botocore; without them it says what to do."""

import hashlib
import hmac
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from registries.ecr_api import AWS_SECRETS, ECR_SERVICE, aws_document, aws_error, operation
from support.http_sessions import TIMEOUTS
from support.scripted import Asked, ScriptedServer, on, serve

from crawler.errors import CredentialsError, Denied, Missing, RegistryError, UnexpectedStatus
from crawler.limiter import AdaptiveLimiter
from crawler.transport.fetch import open_transport
from crawler.transport.retry import RetryPolicy
from crawler.transport.run_limits import RunLimits
from crawler.transport.tls import Certificates
from crawler.vendors.aws_json import AwsClient
from crawler.vendors.aws_signing import AwsSigner

pytestmark = pytest.mark.usefixtures("few_authorities")

SECRET_KEY = "secret-key-of-the-account"
OK = on("/", aws_document({}), method="POST")
EXPIRED = aws_error("InvalidSignatureException", "Signature expired: 20261127T010000Z is now earlier than …")


def later(step: float) -> Callable[[], float]:
    """A clock that is `step` seconds later each time."""
    return count(0, step).__next__


@asynccontextmanager
async def client(
    server: ScriptedServer, region: str = "eu-west-1", clock: Callable[[], float] | None = None
) -> AsyncIterator[AwsClient]:
    transport = open_transport(
        user_agent="test",
        limiter=AdaptiveLimiter(concurrency=8, rate=None),
        timeouts=TIMEOUTS,
        limits=RunLimits(RetryPolicy(attempts=1, give_up_s=30)),
        concurrency=8,
        scheme="http",
        certificates=Certificates(),
    )
    signer = AwsSigner("ecr", region, clock=clock or later(0))
    async with transport as opened:
        yield AwsClient(server.origin, ECR_SERVICE, signer, opened)


async def call(opened: AwsClient) -> None:
    await opened.call("DescribeRepositories", {"maxResults": 1000, "nextToken": "é=="}, json.loads)


def signature_of(asked: Asked, region: str) -> str:
    """The signature that AWS computes for a request, by its documentation alone.

    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)
    """
    assert asked.authorization is not None
    names = asked.authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    headers = "".join(f"{name}:{asked.headers[name]}\n" for name in names)
    body = hashlib.sha256(asked.body).hexdigest()
    canonical = "\n".join([asked.method, asked.target, "", headers, ";".join(names), body])
    time = asked.headers["x-amz-date"]
    scope = f"{time[:8]}/{region}/ecr/aws4_request"
    signed = "\n".join(["AWS4-HMAC-SHA256", time, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{SECRET_KEY}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, signed.encode(), "sha256").hexdigest()


@pytest.mark.usefixtures("aws")
async def test_aws_signature_is_the_one_that_aws_computes():
    async with serve([OK]) as server, client(server) as opened:
        await call(opened)
    (asked,) = server.requests
    assert asked.authorization is not None
    assert asked.authorization.endswith(f"Signature={signature_of(asked, 'eu-west-1')}")
    for name in ("content-type", "host", "x-amz-target", "x-amz-security-token"):
        assert name in asked.authorization


@pytest.mark.usefixtures("aws")
async def test_aws_signature_has_the_time_of_the_request():
    async with serve([OK]) as server, client(server) as opened:
        before = datetime.now(UTC).replace(microsecond=0)
        await call(opened)
    signed_at = datetime.strptime(server.requests[0].headers["x-amz-date"], "%Y%m%dT%H%M%S%z")
    assert before <= signed_at <= datetime.now(UTC)


@pytest.mark.usefixtures("aws")
async def test_aws_signature_without_a_session_token_has_none(monkeypatch):
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    async with serve([OK]) as server, client(server) as opened:
        await call(opened)
    assert "x-amz-security-token" not in server.requests[0].headers


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "us-west-2"}, "eu-north-1"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-west-2"}, "us-west-2"),
    ],
)
@pytest.mark.usefixtures("aws")
async def test_aws_region_of_the_environment_where_the_host_names_none(monkeypatch, variables, region):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with serve([OK]) as server, client(server, region="") as opened:
        await call(opened)
    assert f"/{region}/ecr/aws4_request" in (server.requests[0].authorization or "")


@pytest.mark.usefixtures("aws")
async def test_aws_signature_that_became_old_is_made_once_more():
    """As after minutes of throttling. A new signature that is refused as well is an error of the clock."""
    stale = operation("DescribeRepositories", EXPIRED, times=1)
    async with serve([stale, OK]) as server, client(server, clock=later(241)) as opened:
        await call(opened)
    assert len(server.requests) == 2
    refusing = operation("DescribeRepositories", EXPIRED)
    async with serve([refusing]) as server, client(server, clock=later(241)) as opened:
        with pytest.raises(Denied, match="check the clock of this machine"):
            await call(opened)
    assert len(server.requests) == 2


@pytest.mark.usefixtures("aws")
async def test_aws_signature_that_is_fresh_and_refused_is_an_error_of_the_clock():
    async with serve([on("/", EXPIRED, method="POST")]) as server, client(server, clock=later(100)) as opened:
        with pytest.raises(
            Denied, match=r"InvalidSignatureException: Signature expired: .* check the clock"
        ) as refused:
            await call(opened)
    assert len(server.requests) == 1
    assert refused.value.http_status == 400
    assert "(AmazonEC2ContainerRegistry_V20150921.DescribeRepositories)" in refused.value.request


@pytest.mark.usefixtures("aws")
async def test_aws_error_never_quotes_a_secret():
    """AWS quotes the request where its signature does not match, with the session token in it."""
    quoted = "The Canonical String should have been 'x-amz-security-token:session-token-of-the-account' {authorization}"
    script = [on("/", aws_error("InvalidSignatureException", quoted), method="POST")]
    async with serve(script) as server, client(server) as opened:
        with pytest.raises(RegistryError) as refused:
            await call(opened)
    assert not [secret for secret in AWS_SECRETS if secret in str(refused.value)]
    assert "should have been" in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("RepositoryNotFoundException", 400, Missing),
        ("com.amazonaws.ecr#RepositoryNotFoundException", 400, Missing),
        ("AccessDeniedException", 400, Denied),
        ("OptInRequired", 403, Denied),
        ("Whatever", 403, Denied),
        ("InvalidParameterException", 400, UnexpectedStatus),
        ("ServerException", 500, UnexpectedStatus),
        (["AccessDeniedException"], 400, UnexpectedStatus),
    ],
)
@pytest.mark.usefixtures("aws")
async def test_aws_error_by_its_kind(kind, status, error):
    async with serve([on("/", aws_error(kind, "No.", status), method="POST")]) as server, client(server) as opened:
        with pytest.raises(RegistryError) as refused:
            await call(opened)
    assert type(refused.value) is error
    assert refused.value.http_status == status


async def failure() -> str:
    """The error of a call that sends nothing."""
    async with serve([]) as server, client(server, region="") as opened:
        with pytest.raises(CredentialsError) as first:
            await call(opened)
        with pytest.raises(CredentialsError) as second:
            await call(opened)
    assert str(first.value) == str(second.value)
    assert str(first.value).isprintable()
    assert not server.requests
    return str(first.value)


async def test_aws_without_credentials_says_what_to_do():
    assert "set AWS_PROFILE" in await failure()


@pytest.mark.usefixtures("aws")
async def test_aws_without_a_region_says_what_to_do(monkeypatch):
    monkeypatch.delenv("AWS_REGION")
    assert await failure() == "the AWS region is not known: set AWS_REGION"


@pytest.mark.usefixtures("aws")
async def test_aws_without_botocore_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "botocore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "botocore", None)
    assert "pip install 'registry-crawler[aws]'" in await failure()


async def test_aws_profile_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nightly")
    message = await failure()
    assert "The config profile (nightly) could not be found" in message
    assert "aws sso login" in message


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Credentials by a program, which is a script of this text (`credential_process`)."""

    def use(script: str) -> None:
        program = tmp_path / "credentials.sh"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        config = tmp_path / "aws-config"
        config.write_text(f"[default]\nregion = eu-west-1\ncredential_process = {program}\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))

    return use


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'not JSON, but secret-key-of-the-account'", "JSONDecodeError"),
        ("echo '{\"Version\": 1}'", "missing required keys|Missing required key"),
        ("echo denied >&2; exit 1", "denied"),
        ("echo '[]'", "AWS credentials cannot be loaded"),
        ("echo '\"text\"'", "AWS credentials cannot be loaded"),
        (
            'echo \'{"Version": 1, "AccessKeyId": "K", "SecretAccessKey": "s", "Expiration": 5}\'',
            "AWS credentials cannot be loaded",
        ),
    ],
)
async def test_aws_credential_program_that_fails_is_reported(process, script, message):
    process(script)
    text = await failure_of_a_program()
    assert any(part in text for part in message.split("|"))
    assert SECRET_KEY not in text


async def test_aws_credentials_that_cannot_be_loaded_are_looked_for_once(process, tmp_path):
    """A machine without a metadata service takes seconds to say so."""
    process(f"echo >> {tmp_path}/calls; exit 1")
    await failure()
    assert (tmp_path / "calls").read_text() == "\n"


async def test_aws_credential_program_that_does_not_end_does_not_hold_a_run_that_was_stopped(process, tmp_path):
    started, ended = tmp_path / "started", tmp_path / "ended"
    for pipe in (started, ended):
        os.mkfifo(pipe)
    process(f"echo > {started}; read line < {ended}; exit 1")
    async with serve([]) as server, client(server, region="") as opened, anyio.create_task_group() as group:
        group.start_soon(call, opened)
        await anyio.to_thread.run_sync(started.read_text)
        group.cancel_scope.cancel()
    ended.write_text("\n")  # so that nothing is left of it


async def failure_of_a_program() -> str:
    async with serve([]) as server, client(server, region="") as opened:
        with pytest.raises(CredentialsError) as failed:
            await call(opened)
    return str(failed.value)


async def test_aws_credentials_that_expire_are_renewed(process, tmp_path):
    """botocore renews them in the last quarter of an hour."""
    expires = (datetime.now(UTC) + timedelta(minutes=12)).isoformat()
    process(
        f"echo >> {tmp_path}/calls\n"
        f"number=$(wc -l < {tmp_path}/calls)\n"
        f'echo "{{\\"Version\\": 1, \\"AccessKeyId\\": \\"KEY$((number))\\", \\"SecretAccessKey\\": \\"{SECRET_KEY}\\",'
        f' \\"Expiration\\": \\"{expires}\\"}}"'
    )
    async with serve([OK]) as server, client(server, region="") as opened:
        await call(opened)
        await call(opened)
    keys = [(asked.authorization or "").partition("Credential=")[2].partition("/")[0] for asked in server.requests]
    assert keys == ["KEY2", "KEY3"]
    assert [signature_of(asked, "eu-west-1") in (asked.authorization or "") for asked in server.requests] == [True] * 2


async def test_aws_credentials_that_are_renewed_and_still_expired_are_an_error(process):
    process(
        'echo \'{"Version": 1, "AccessKeyId": "KEY", "SecretAccessKey": "k", "Expiration": "2020-01-01T00:00:00Z"}\''
    )
    assert "RuntimeError" in await failure_of_a_program()


def test_aws_botocore_is_not_loaded_before_it_is_needed():
    code = (
        "import sys, crawler.cli, crawler.vendors.products; from crawler.vendors.aws_signing import AwsSigner; "
        "AwsSigner('ecr', ''); print('botocore' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout == "False\n"
