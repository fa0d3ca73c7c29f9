"""TODO."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

from crawler.auth.credentials import Credential
from crawler.auth.docker_config import DockerCredentials
from crawler.model.names import Target

REGISTRY = "registry.example.com"


SECRET = "hunter2:with:colons"


ANN = Credential("ann", SECRET)


def packed(name: str, password: str) -> dict[str, str]:
    return {"auth": b64encode(f"{name}:{password}".encode()).decode()}


ENTRY = packed(ANN.name, ANN.password)


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

    def runs(self, name: str) -> int:
        """How often a helper that notes its runs was run."""
        notes = self.folder / f"{name}.runs"
        return len(notes.read_text().splitlines()) if notes.exists() else 0

    def noting(self, name: str, script: str) -> None:
        self.helper(name, f'echo run >> "{self.folder / name}.runs"\n{script}')

    def credentials(self, target: str = REGISTRY, **options: Any) -> DockerCredentials:
        return DockerCredentials(Target.parse(target), environ=self.environ, **options)

    async def is_named(self, target: str = REGISTRY) -> bool:
        return (await self.credentials(target).look_up()).is_named
