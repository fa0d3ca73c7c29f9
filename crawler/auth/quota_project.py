"""The quota project: which project Google's APIs count requests against, where it is not the credentials' own."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from crawler.errors import CredentialsError
from crawler.untrusted_text import printable

VARIABLE: Final = "GOOGLE_CLOUD_QUOTA_PROJECT"
DENIED: Final = "USER_PROJECT_DENIED"
"""Google's reason where the account may not use the quota project."""

_KEY: Final = "quota_project_id"
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]*")


@dataclass(frozen=True, slots=True)
class QuotaProject:
    """A project's id or number, and what names it: a variable, or the key of a file."""

    id: str
    named_by: str

    def __post_init__(self) -> None:
        if _ID.fullmatch(self.id) is None:
            raise CredentialsError(f"{self.named_by} is not a project's id: {printable(self.id, 80)!r}")

    @classmethod
    def find(cls, environ: Mapping[str, str], file: Path | None) -> Self | None:
        """What the environment names, else what the credentials' file does; None where neither names any.

        A file that cannot be read names none: whoever needs more of it says what is wrong. Raises CredentialsError for
        what cannot be a project.
        """
        if environ.get(VARIABLE, "").strip():
            return cls(environ[VARIABLE].strip(), VARIABLE)
        try:
            held = None if file is None else json.loads(file.read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        named = held.get(_KEY) if isinstance(held, dict) else None
        return cls(named, f"{_KEY} of {file}") if isinstance(named, str) and named else None

    @property
    def header(self) -> tuple[str, str]:
        """Google's system parameter by which a request names it."""
        return "x-goog-user-project", self.id

    def denied(self, message: str) -> str:
        """What to do where Google refuses it, in `message`."""
        return (
            f"the account may not use the quota project {self.id} (set by {self.named_by}): grant the account "
            f"roles/serviceusage.serviceUsageConsumer on that project, or set another one: {message}"
        )
