"""The methods of authentication."""

from enum import StrEnum


class AuthMethod(StrEnum):
    """How we say who we are."""

    AUTO = "auto"
    TOKEN = "token"  # noqa: S105  (the name of a flow)
    ACCESS_TOKEN = "access-token"  # noqa: S105
    JSON_KEY = "json-key"
    BASIC = "basic"
    DOCKER_CONFIG = "docker-config"
    ANONYMOUS = "anonymous"
