"""What is deployed: a configuration that is valid here, with its files, its variables, and what must be kept secret."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from crawler.config import STDIO, Config
from crawler.config.environment import ENVIRONMENT_PREFIX
from crawler.config.values import NO_CACHE
from crawler.deploy.input_files import InputFile, find_input_files
from crawler.deploy.placed_config import Place, placed_variable, with_places
from crawler.deploy.secret_keys import is_secret_variable, secrets_in
from crawler.errors import ConfigError
from crawler.model.auth_method import AuthMethod
from crawler.model.run_manifest import VERSION
from crawler.untrusted_text import printable, quoted_path

GENERATED_BY: Final = f"registry-crawler {VERSION}"

_GOOGLE_TOKEN_METHODS: Final = frozenset({AuthMethod.AUTO, AuthMethod.TOKEN, AuthMethod.ACCESS_TOKEN})
_SET_BY_FLAGS: Final = frozenset({f"{ENVIRONMENT_PREFIX}OUTPUT__PATH", f"{ENVIRONMENT_PREFIX}CACHE__PATH"})


_FOREIGN_VARIABLES: Final = frozenset(
    {
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CLOUD_QUOTA_PROJECT",
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "DOCKER_CONFIG",
        "DOCKER_AUTH_CONFIG",
        "REGISTRY_AUTH_FILE",
    }
)
"""Variables of other programs that change what a crawl does. They are about this machine, or hold secrets."""


@dataclass(frozen=True, slots=True)
class Printed:
    """What a platform needs: the text to apply, and what to know before that, one sentence each."""

    text: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deployment:
    """A valid configuration, and what belongs to it.

    Attributes:
        config: the configuration, of the file and the environment.
        file: the configuration file; absolute.
        folder: where relative paths begin: the current folder; absolute.
        text: the file's text, which may hold secrets.
        files: the files that the configuration names.
        variables: the REGISTRY_CRAWLER_ variables that are set here and hold no secret.
        secret_variables: the names of those that do.
        foreign_variables: the names of other variables that a crawl heeds, which are set here and not deployed.
    """

    config: Config
    file: Path
    folder: Path
    text: str
    files: tuple[InputFile, ...]
    variables: Mapping[str, str]
    secret_variables: tuple[str, ...]
    foreign_variables: tuple[str, ...]

    @classmethod
    def read(cls, file: Path, environ: Mapping[str, str]) -> Self:
        """Read and check a configuration. Raises ConfigError with every mistake."""
        path = Path.cwd() / os.path.expanduser(file)  # noqa: PTH111  (as config/layers.py expands it)
        if path.exists() and not path.is_file():  # it is read twice, and a pipe would be empty the second time
            raise ConfigError([f"{quoted_path(file)}: must be a file, not a pipe or a folder, to be deployed"])
        config = Config.load(file)
        if config.output.path == STDIO:
            raise ConfigError(["output.path: standard output keeps no snapshots: set it to a folder"])
        folder = Path.cwd()
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        variables = {
            name: value for name, value in environ.items() if name.upper().startswith(ENVIRONMENT_PREFIX) and value
        }
        secret = tuple(sorted(filter(is_secret_variable, variables)))
        plain = {name: value for name, value in sorted(variables.items()) if name not in secret}
        foreign = tuple(sorted(name for name, value in environ.items() if name.upper() in _FOREIGN_VARIABLES and value))
        return cls(config, path, folder, text, find_input_files(config, folder), plain, secret, foreign)

    def placed_text(self, place: Place) -> str:
        """The configuration's text, whose files are where `place` puts them, and which ends with a newline.

        Raises ConfigError where the text holds a secret: it would be printed.
        """
        if found := secrets_in(tomllib.loads(self.text)):
            mistake = f"{quoted_path(self.file)}: {', '.join(found)}: a configuration that is deployed holds no secret"
            raise ConfigError([f"{mistake}: write a password into a password_file, and the rest into variables"])
        text = with_places(self.text, self._places(place), self.folder, self.file)
        return text if text.endswith("\n") else f"{text}\n"

    def placed_variables(self, place: Place) -> dict[str, str]:
        """The variables that hold no secret, whose files are where `place` puts them, for `crawl_arguments`."""
        places = self._places(place)
        return {
            name: placed_variable(name, value, places, self.folder)
            for name, value in self.variables.items()
            if name.upper() not in _SET_BY_FLAGS
        }

    def _places(self, place: Place) -> dict[Path, str]:
        return {file.path: place(file) for file in self.files}

    def crawl_arguments(self, config_file: str, data_folder: str) -> list[str]:
        """The arguments of the crawl, with the snapshots and the cache in one folder that is kept."""
        path = self.config.cache.path
        cache = str(NO_CACHE) if path == NO_CACHE else f"{data_folder}/digests.sqlite"
        kept_cache = [] if path is None or self.config.cache.url is not None else ["--cache", cache]
        output = ["--output", f"{data_folder}/snapshots"]
        return ["crawl", "--config", config_file, *output, *kept_cache, "--resume"]

    def shard_arguments(self, config_file: str, data_folder: str) -> list[str]:
        """The arguments of a crawl whose output folder several machines share.

        Each shard has a digest cache of its own, in the output folder. Raises ConfigError where one file is configured.
        """
        return ["crawl", "--config", config_file, *self._shared_output(data_folder), "--resume"]

    def merge_arguments(self, config_file: str, data_folder: str) -> list[str]:
        """The arguments of the merge, without the group."""
        return ["merge", "--config", config_file, *self._shared_output(data_folder)]

    def _shared_output(self, data_folder: str) -> list[str]:
        cache = self.config.cache
        if cache.path == NO_CACHE:
            return ["--output", f"{data_folder}/snapshots", "--cache", str(NO_CACHE)]
        if cache.path is not None and cache.url is None:
            raise ConfigError(['cache.path: several machines cannot share one file: leave it out, or set it to "none"'])
        return ["--output", f"{data_folder}/snapshots"]

    @property
    def memory_mi(self) -> int:
        """The memory in MiB that a crawl of hundreds of thousands of images takes at most."""
        return 192 + self.config.limits.concurrency

    @property
    def most_memory_mi(self) -> int:
        """The memory in MiB beyond which something is wrong. A large snapshot that goes to a lake takes one GiB."""
        return max(2048, 2 * self.memory_mi)

    @property
    def needs_docker_login(self) -> bool:
        """Whether a registry is configured to use the login that docker keeps."""
        return any(registry.auth.method is AuthMethod.DOCKER_CONFIG for registry in self.config.registry)

    @property
    def google_targets(self) -> tuple[str, ...]:
        """The targets that need Application Default Credentials: Google's, without a key file."""
        return tuple(
            str(registry.target)
            for registry in self.config.registry
            if registry.profile.is_google
            and registry.auth.key_file is None
            and registry.auth.username is None
            and registry.auth.method in _GOOGLE_TOKEN_METHODS
        )

    @property
    def anonymous_targets(self) -> tuple[str, ...]:
        """The targets for which this machine's docker login is used, if there is one, and which have nothing else."""
        return tuple(
            str(registry.target)
            for registry in self.config.registry
            if registry.auth.method is AuthMethod.AUTO
            and not registry.profile.is_google
            and registry.auth.username is None
            and registry.auth.key_file is None
        )

    def notes_of_container(self) -> list[str]:
        """What to know before the configuration is deployed in a container."""
        local = [str(registry.target) for registry in self.config.registry if registry.target.is_loopback]
        note = f"{', '.join(local)}: there this is the container itself, and not this machine"
        return [*self.common_notes(), note] if local else self.common_notes()

    def foreign_notes(self) -> list[str]:
        """What to know wherever the environment is another one."""
        names = ", ".join(self.foreign_variables)
        return [f"{names}: set here, and not deployed: add what the crawl needs there"] if names else []

    def common_notes(self) -> list[str]:
        """What to know wherever the configuration is deployed away from this user."""
        notes = self.foreign_notes()
        if self.variables:
            notes.append(f"{printable(', '.join(self.variables), 2000)}: set here, and deployed with the configuration")
        if self.anonymous_targets:
            notes.append(
                f"{', '.join(self.anonymous_targets)}: no credentials are configured, and this user's docker login is "
                'not deployed: the crawl is anonymous; for the login set registry.auth.method = "docker-config"'
            )
        return notes
