"""What does the first configuration of a registry hold? The commented text of a file, from few answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crawler.config import Config, Flag
from crawler.deploy.render import render
from crawler.model.auth_method import AuthMethod
from crawler.profiles import DISTRIBUTION, RegistryProfile
from crawler.untrusted_text import printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a person is asked for.

    Attributes:
        target: as people write it.
        method: None chooses by the other answers, and by the registry.
        key_file: a service account's key; None for none.
        username: None for none.
        password_file: the file that has the password; None for none.
        output: the folder for snapshots.
    """

    target: str
    method: AuthMethod | None
    key_file: Path | None
    username: str | None
    password_file: Path | None
    output: str


@dataclass(frozen=True, slots=True)
class AuthChoice:
    """One way to authenticate that a registry has.

    Attributes:
        label: the way, for people.
        method: the method; None chooses by registry.
        needs: which answers belong to it: "key_file", or "username" and "password_file".
    """

    label: str
    method: AuthMethod | None
    needs: tuple[str, ...] = ()


_DOCKER_LOGIN: Final = AuthChoice(
    "the login that docker or podman keeps, credential helpers too", AuthMethod.DOCKER_CONFIG
)
_PASSWORD: Final = AuthChoice("a username, and a file with the password or token", None, ("username", "password_file"))
_ANONYMOUS: Final = AuthChoice("none: anonymous", AuthMethod.ANONYMOUS)

_OF_GOOGLE: Final = (
    AuthChoice("the account of this machine or of gcloud: Application Default Credentials", None),
    AuthChoice("a service account's key file", None, ("key_file",)),
    _DOCKER_LOGIN,
    _ANONYMOUS,
)
_OF_OTHERS: Final = (_PASSWORD, _DOCKER_LOGIN, _ANONYMOUS)
_BY_KIND: Final = {"ecr": (_DOCKER_LOGIN, _PASSWORD)}
"""ECR's passwords expire after twelve hours: a credential helper asks for new ones."""


_METHOD_COMMENTS: Final = {
    AuthMethod.AUTO: "as the registry asks: Basic or Bearer",
    AuthMethod.TOKEN: "one registry token per repository",
    AuthMethod.ACCESS_TOKEN: "half the exchanges of token",
    AuthMethod.JSON_KEY: "the key itself goes with each request",
    AuthMethod.BASIC: "the password goes with each request",
    AuthMethod.DOCKER_CONFIG: "the login that docker or podman keeps; required",
    AuthMethod.ANONYMOUS: "no credentials, whatever docker keeps",
}


def auth_choices(target: str) -> tuple[AuthChoice, ...]:
    """The ways to authenticate to a target's registry, the most usual first. Raises ConfigError for a wrong target."""
    (registry,) = Config.load(targets=[target]).registry
    return _OF_GOOGLE if registry.profile.is_google else _BY_KIND.get(registry.profile.kind, _OF_OTHERS)


def first_config(answers: Answers, file_name: str) -> str:
    """The text of a configuration file. Raises ConfigError with every mistake in the answers, by their options."""
    values = {
        "--auth": ("registry.auth.method", answers.method),
        "--key-file": ("registry.auth.key_file", answers.key_file),
        "--username": ("registry.auth.username", answers.username),
        "--password-file": ("registry.auth.password_file", answers.password_file),
        "--output": ("output.path", answers.output),
    }
    flags = [Flag(name, key, value) for name, (key, value) in values.items() if value is not None]
    (registry,) = Config.load(targets=[answers.target], flags=flags).registry
    method = _method(answers, registry.profile)
    return render(
        "config.toml",
        answers=answers,
        file_name=printable(file_name),
        target=str(registry.target),
        is_google=registry.profile.is_google,
        is_known=registry.profile is not DISTRIBUTION,
        is_by_token=method in {AuthMethod.TOKEN, AuthMethod.ACCESS_TOKEN},
        has_quota=bool(registry.profile.rate_limits),
        method=method,
        method_comment=_METHOD_COMMENTS[method],
    )


def _method(answers: Answers, profile: RegistryProfile) -> AuthMethod:
    if answers.method is not None:
        return answers.method
    # an access token finds the same repositories as `token`, for half the exchanges
    return AuthMethod.ACCESS_TOKEN if profile.is_google and answers.username is None else AuthMethod.AUTO
