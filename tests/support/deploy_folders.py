"""A configuration to deploy, and the folders of a pod or a service, played by folders of this machine."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from support.run_cli import CommandResult, CommandRunner
from support.toml_text import toml_value

HOSTILE_NAME = "ke'y \"$HOME%d\\1`;.json"
"""A file's name that every quoting rule has to do with."""

HOSTILE_USER = "a\"b'c$d%n\\e${HOME}`id`"

HOSTILE_CONFIG = f"""\
# what "$HOME" and `id` and %d and {{{{ this }}}} are
[[registry]]
target = "harbor.example.com/team"   # a comment that stays
kind = "harbor"
auth.username = {toml_value(HOSTILE_USER)}
auth.password_file = {toml_value(HOSTILE_NAME)}
include = ["END", '''
END
''']

[[registry]]
target = "localhost:5000"
ca_file = 'other/certificates.pem'
plain_http = false
"""


def hostile_config(folder: Path) -> Path:
    """A configuration that is valid, and has every character that is special anywhere."""
    (folder / HOSTILE_NAME).write_text("the password")
    (folder / "other").mkdir()
    (folder / "other" / "certificates.pem").write_text("certificates")
    (folder / "config.toml").write_text(HOSTILE_CONFIG)
    return folder / "config.toml"


def google_config(folder: Path, google: Any) -> Path:
    """A configuration that crawls an emulated registry with a key."""
    (folder / "config.toml").write_text(
        f"[[registry]]\ntarget = {toml_value(google.emulator.registry)}\n"
        f"[registry.auth]\nkey_file = {toml_value(str(google.key_file))}\n"
    )
    return folder / "config.toml"


def documents(text: str) -> dict[str, Any]:
    """The manifests of a stream of YAML, by kind."""
    return {manifest["kind"]: manifest for manifest in yaml.safe_load_all(text)}


@dataclass(frozen=True, slots=True)
class Folders:
    """A root in a folder of this machine: `/data` is `ROOT/data`."""

    root: Path

    def write(self, path: str, content: bytes) -> None:
        """Put a file there, as a Secret or a ConfigMap does. What it names of the root is in the folder, too."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(self.moved(content.decode()).encode() if place.name == "config.toml" else content)

    def moved(self, text: str) -> str:
        """A text whose absolute paths of a deployment are below the root."""
        return re.sub(r"(?<![\w/.-])/(etc|data|run|var/run|var/lib)/(?=[\w.-])", rf"{self.root}/\1/", text)

    async def crawl(
        self, command: CommandRunner, arguments: list[str], environment: Mapping[str, str]
    ) -> CommandResult:
        moved = {name: self.moved(value) for name, value in environment.items()}
        return await command(*map(self.moved, arguments), environment=moved)
