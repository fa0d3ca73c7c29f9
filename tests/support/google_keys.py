"""Google's ways to authenticate with a service account key, and the parts of a key that must stay secret."""

from collections.abc import Mapping
from typing import Any

KEY_FILE_METHODS = ["token", "access-token", "json-key"]
"""The values of --auth that a service account key serves."""


def pem_lines(key: Mapping[str, Any]) -> set[str]:
    """The lines of a key's private key. None of them may be shown anywhere."""
    return {line for line in key["private_key"].splitlines() if line}
