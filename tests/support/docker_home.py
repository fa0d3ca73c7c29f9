"""A user's home folder with docker's and podman's login files, and credential helpers that are real programs."""

import json
import traceback
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from crawler.auth import credential_helper
from crawler.auth.credentials import Credential
from crawler.auth.docker_config import DockerCredentials
from crawler.errors import CredentialsError
from crawler.model.names import Target

REGISTRY = "registry.example.com"
HUB_SERVER = "https://index.docker.io/v1/"
SECRET = "hunter2:with:colons"
ANN = Credential("ann", SECRET)

ANSWER = json.dumps({"ServerURL": REGISTRY, "Username": ANN.name, "Secret": ANN.password})
"""What a credential helper writes for Ann."""

NOT_FOUND = "credentials not found in native keychain"
"""What a credential helper writes where it has no login."""

PLACES = ("registry-auth.json", "docker/config.json", "run/containers/auth.json", "xdg/containers/auth.json")
"""The login files of `home_with_all_places`, in the order of the search."""


def empty_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make `folder` the home of a user without logins and proxies. Returns the folder of docker's configuration."""
    for variable in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    for variable in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    docker = folder / "docker"
    docker.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("DOCKER_CONFIG", str(docker))
    return docker


def packed(name: str, password: str) -> dict[str, str]:
    """An entry of a login file."""
    return {"auth": b64encode(f"{name}:{password}".encode()).decode()}


ENTRY = packed(ANN.name, ANN.password)


def answering(name: str, password: str) -> str:
    """The script of a helper that has this login."""
    return f"echo '{json.dumps({'Username': name, 'Secret': password})}'"


class Home:
    """A user's home, with a folder of programs and nothing else on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.environ = {"HOME": str(folder), "PATH": str(self.programs)}

    @property
    def docker(self) -> Path:
        return self.folder / ".docker" / "config.json"

    def write(self, config: Any, place: str = ".docker/config.json") -> Path:
        file = self.folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(config if isinstance(config, str) else json.dumps(config))
        return file

    def helper(self, name: str, script: str, interpreter: str = "/bin/sh") -> None:
        program = self.programs / f"docker-credential-{name}"
        program.write_text(f"#!{interpreter}\n{script}\n")
        program.chmod(0o755)

    def counting_helper(self, name: str, script: str) -> None:
        """A helper whose runs are counted by `runs`."""
        self.helper(name, f'echo run >> "{self.folder / name}.runs"\n{script}')

    def runs(self, name: str) -> int:
        """How often a counting helper was run."""
        notes = self.folder / f"{name}.runs"
        return len(notes.read_text().splitlines()) if notes.exists() else 0

    def credentials(self, target: str = REGISTRY) -> DockerCredentials:
        return DockerCredentials(Target.parse(target), environ=self.environ)

    async def is_named(self, target: str = REGISTRY) -> bool:
        return (await self.credentials(target).look_up()).is_named


def set_helper_timeout(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Shorten the time that helpers have."""
    monkeypatch.setattr(credential_helper, "TIMEOUT_S", seconds)


async def error_message(credentials: DockerCredentials) -> str:
    """The message of the error, after checking that no form of it shows a secret."""
    with pytest.raises(CredentialsError) as caught:
        await credentials.get()
    for secret in (SECRET, ENTRY["auth"]):
        assert secret not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)
