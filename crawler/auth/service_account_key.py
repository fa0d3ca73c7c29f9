"""A service account's key file, and the credential that sends it to the registry unchanged."""

import json
from pathlib import Path
from typing import Any, Final

from crawler.auth.credentials import Credential
from crawler.errors import CredentialsError

JSON_KEY_USER: Final = "_json_key"
"""Google's user name whose password is the content of a key file.

cloud.google.com/artifact-registry/docs/docker/authentication, "Service account key".
"""


def json_key_credential(key_file: Path) -> Credential:
    """The user `_json_key` with the key file's content. Blocks on the disk. Raises CredentialsError.

    The registry checks the key itself, so this method needs no token endpoint and no correct clock on this machine. The
    price is that the private key leaves the machine with every request. Spaces and line breaks of the file are dropped,
    to keep the header short.
    """
    return Credential(JSON_KEY_USER, json.dumps(read_service_account_key(key_file), separators=(",", ":")))


def read_service_account_key(key_file: Path) -> dict[str, Any]:
    """The key file's content. Blocks on the disk. Raises CredentialsError, which never quotes the content."""
    try:
        key = json.loads(key_file.read_bytes())
    except OSError as exc:
        raise CredentialsError(f"{key_file}: the key file cannot be read: {exc.strerror}") from None
    except (ValueError, RecursionError):
        raise CredentialsError(f"{key_file}: the key file is not JSON; give the file that Google made") from None
    if not isinstance(key, dict) or key.get("type") != "service_account":
        raise CredentialsError(
            f"{key_file}: not a service account's key; other kinds of file go into GOOGLE_APPLICATION_CREDENTIALS"
        )
    return key
