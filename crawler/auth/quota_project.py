"""The quota project: the project that Google's APIs count requests against and bill for them.

By default that is the project of the service account, or of the OAuth client behind a person's login. gcloud's own
client has no project for this purpose: many APIs answer that they require "a quota project, which is not set by
default". A person's login therefore needs one (cloud.google.com/docs/quotas/quota-project), and every request of the
crawler to Google's APIs must name it.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from crawler.errors import CredentialsError
from crawler.untrusted_text import printable

QUOTA_PROJECT_VARIABLE: Final = "GOOGLE_CLOUD_QUOTA_PROJECT"
"""The environment variable of Google's own clients; it goes before the credentials' file, as in google-auth."""

USER_PROJECT_DENIED: Final = "USER_PROJECT_DENIED"
"""Google's error code where the account may not use the quota project."""

_FILE_KEY: Final = "quota_project_id"
_PROJECT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]*")


@dataclass(frozen=True, slots=True)
class QuotaProject:
    """A quota project. Raises CredentialsError for an `id` that no project can have.

    Attributes:
        id: the project's id or number.
        source: what set it: the environment variable, or the key of a file.
    """

    id: str
    source: str

    def __post_init__(self) -> None:
        if _PROJECT.fullmatch(self.id) is None:
            raise CredentialsError(f"{self.source} is not a project's id: {printable(self.id, 80)!r}")

    @classmethod
    def find(cls, environ: Mapping[str, str], file: Path | None) -> Self | None:
        """The quota project of the environment, else that of the credentials' file; None where neither has one.

        Blocks on the disk. A file that cannot be read has none: reading the credentials from it fails with the cause.
        Raises CredentialsError for what cannot be a project.
        """
        if environ.get(QUOTA_PROJECT_VARIABLE, "").strip():
            return cls(environ[QUOTA_PROJECT_VARIABLE].strip(), QUOTA_PROJECT_VARIABLE)
        try:
            content = None if file is None else json.loads(file.read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        project = content.get(_FILE_KEY) if isinstance(content, dict) else None
        return cls(project, f"{_FILE_KEY} of {file}") if isinstance(project, str) and project else None

    @property
    def header(self) -> tuple[str, str]:
        """The header that names the quota project (cloud.google.com/apis/docs/system-parameters)."""
        return "x-goog-user-project", self.id

    def denied_message(self, message: str) -> str:
        """Google's `message`, after what to do about a quota project that the account may not use."""
        return (
            f"the account may not use the quota project {self.id} (set by {self.source}): grant the account "
            f"roles/serviceusage.serviceUsageConsumer on that project, or set another one: {message}"
        )
