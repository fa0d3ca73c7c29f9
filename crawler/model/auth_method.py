"""The authentication methods."""

from enum import StrEnum


class AuthMethod(StrEnum):
    """How the crawler authenticates to a registry: the values of `--auth`."""

    AUTO = "auto"
    TOKEN = "token"  # noqa: S105  (the name of a method, not a secret)
    ACCESS_TOKEN = "access-token"  # noqa: S105
    JSON_KEY = "json-key"
    BASIC = "basic"
    DOCKER_CONFIG = "docker-config"
    ANONYMOUS = "anonymous"
