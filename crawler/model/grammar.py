"""The distribution specification's grammar of repository names and tags."""

import re
from typing import Final

MAX_NAME_LENGTH: Final = 255
"""The maximum length of a repository's name. Many clients allow 255 characters for host and name together
(distribution-spec, "Pulling manifests")."""

# distribution-spec, "Pulling manifests": the grammar of <name>, and of a <reference> that is a tag
COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
TAG: Final = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
NAME: Final = re.compile(rf"{COMPONENT}(?:/{COMPONENT})*")


def is_name(text: str) -> bool:
    """Whether a text fits the grammar of names, however long it is."""
    return NAME.fullmatch(text) is not None
