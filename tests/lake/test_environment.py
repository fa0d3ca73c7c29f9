"""A provider's variables that its client cannot use: named, before anything is sent, and never shown."""

import pytest

from crawler.errors import ConfigError
from crawler.lake.environment import check_environment

SECRET = "pass-word"


@pytest.mark.parametrize(
    ("url", "name", "value", "message"),
    [
        ("s3://lake", "AWS_SESSION_TOKEN", f"{SECRET}\n", "AWS_SESSION_TOKEN must have no line breaks"),
        ("az://lake", "AZURE_STORAGE_ACCOUNT_KEY", f"{SECRET}\r", "AZURE_STORAGE_ACCOUNT_KEY must have no line breaks"),
        ("s3://lake", "AWS_ENDPOINT_URL", f"http://me:{SECRET}@127.0.0.1:1", "AWS_ENDPOINT_URL must be http://HOST"),
        ("s3://lake", "AWS_ENDPOINT_URL", "minio:9000", "AWS_ENDPOINT_URL must be http://HOST"),
        ("s3://lake", "AWS_ENDPOINT_URL_S3", "", "AWS_ENDPOINT_URL_S3 must be http://HOST[:PORT] or .*, or unset"),
        ("gs://lake", "GOOGLE_BASE_URL", "http://host:port", "GOOGLE_BASE_URL must be http://HOST"),
    ],
)
def test_environment_that_a_client_cannot_use_is_named(url, name, value, message):
    with pytest.raises(ConfigError, match=message.replace("[", r"\[")) as refused:
        check_environment(url, {name: value})
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "name", "value"),
    [
        ("gs://lake", "GOOGLE_SERVICE_ACCOUNT_KEY", '{\n"type": "service_account"\n}'),
        ("gs://lake", "AWS_SESSION_TOKEN", "of another provider\n"),
        ("s3://lake", "AWS_ENDPOINT_URL", "https://minio.example.com:9000"),
    ],
)
def test_environment_that_a_client_can_use_is_taken(url, name, value):
    check_environment(url, {name: value})


async def test_environment_is_checked_by_the_command(command, publish):
    environment = {"AWS_ENDPOINT_URL": f"http://me:{SECRET}@127.0.0.1:1", "AWS_SESSION_TOKEN": "a\n"}
    ended = await command("publish", publish(), "--lake", "s3://lake", environment=environment)
    assert ended.code == 2
    assert "AWS_SESSION_TOKEN must" in ended.err
    assert "AWS_ENDPOINT_URL must" in ended.err
    assert SECRET not in ended.err


async def test_panic_of_a_client_is_an_error(command, publish):
    environment = {
        "AWS_ACCESS_KEY_ID": "AKIAOFTESTS",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us east 1",
    }
    ended = await command("publish", publish(), "--lake", "s3://lake", environment=environment)
    assert ended.code == 1
    last = ended.err.splitlines()[-1]
    assert last.startswith("registry-crawler: s3://lake: cannot read _runs/")
    assert "the provider's client failed: request valid: InvalidUri" in last
    assert SECRET not in ended.err
