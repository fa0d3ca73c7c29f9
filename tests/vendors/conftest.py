"""The environment of every crawl here: no logins, no proxies and no AWS account of the developer."""

import os
from pathlib import Path

import pytest
from support.docker_home import empty_home


@pytest.fixture(autouse=True)
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configuration folder for docker."""
    return empty_home(tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def no_aws_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def aws(no_aws_account: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An AWS account with a session token."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDSCRIPTED")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-key-of-the-account")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session-token-of-the-account")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
