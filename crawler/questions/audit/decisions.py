"""What a retention policy decides of the images of a snapshot: the rows of the table `policy`."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from crawler.questions.audit.own_tables import open_tables
from crawler.questions.cleanup.consequences import breakages, index_names
from crawler.questions.cleanup.policy import Fate, Policy, PolicyImage, PolicyRepository, judge
from crawler.tables.database import GivenTable
from crawler.tables.selection import SelectedSnapshot

POLICY_COLUMNS: Final = {
    "repository": "VARCHAR",
    "digest": "VARCHAR",
    "tags": "VARCHAR[]",
    "number": "BIGINT",
    "fate": "VARCHAR",
    "rule": "VARCHAR",
    "breaks": "VARCHAR",
    "other_names": "VARCHAR[]",
    "manifest_known": "BOOLEAN",
    "why": "VARCHAR",
}
"""One row for each image that is deleted, or of which that is not known; one without a digest for a repository of
which nothing is known.

    number: counts the rows, in the order of repositories and digests.
    fate: delete or unknown.
    rule: which rule deletes it.
    breaks: what would break within the repository; null where nothing is known to.
    other_names: what else a workload may name that uses it: tags and digests of indexes that list it, and its config.
    why: why its fate is not known.
"""

_IMAGES: Final = """
    SELECT
        repository, unread, digest, tags, uploaded_at, pulled_at, created_at, children, subject_digest,
        config_digest, manifest_known
    FROM judged
    ORDER BY repository, digest NULLS FIRST
"""


class PolicyDecisions:
    """The decisions of a policy. What is counted is whole once `rows` has ended.

    Attributes:
        judged: how many images the snapshot has.
    """

    def __init__(self, policy: Policy, snapshot: SelectedSnapshot) -> None:
        self._policy = policy
        self._snapshot = snapshot
        self.judged = 0

    @property
    def product(self) -> str:
        """Whose policy it is."""
        return self._policy.product

    def table(self) -> GivenTable:
        """The table `policy`, which a database reads once. Its rows raise SnapshotError."""
        return GivenTable("policy", POLICY_COLUMNS, self.rows())

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows of the table. Raises SnapshotError."""
        now, number = datetime.fromisoformat(self._snapshot.started_at), 0
        registry = self._snapshot.target.partition("/")[0]
        with open_tables([self._snapshot]) as database:
            for name, found in groupby(database.query(_IMAGES).rows, key=itemgetter(0)):
                for row in self._of_repository(registry, name, list(found), now):
                    number += 1
                    yield {"repository": name, "number": number, **row}

    def _of_repository(
        self, registry: str, name: str, found: list[tuple[Any, ...]], now: datetime
    ) -> Iterator[dict[str, Any]]:
        unread = next((row[1] for row in found if row[2] is None), "")
        known = [row for row in found if row[2] is not None]
        images = tuple(_image(row) for row in known)
        repository = PolicyRepository(registry, name, images, unread)
        self.judged += len(images)
        if unread:
            if self._policy.covers(repository):
                yield {"fate": Fate.UNKNOWN, "why": unread}
            return
        decisions = judge(self._policy, repository, now)
        if all(decision.fate is Fate.KEEP for decision in decisions):
            return
        broken, names = breakages(images, decisions), index_names(images)
        for image, row, decision in zip(images, known, decisions, strict=True):
            if decision.fate is not Fate.KEEP:
                config_digest, manifest_known = row[9:]
                yield {
                    "digest": image.digest,
                    "tags": image.tags,
                    "fate": decision.fate,
                    "rule": decision.rule or None,
                    "breaks": broken.get(image.digest),
                    "other_names": [*names[image.digest], *([config_digest] if config_digest else ())],
                    "manifest_known": manifest_known,
                    "why": decision.why or None,
                }


def _image(row: Iterable[Any]) -> PolicyImage:
    _, _, digest, tags, uploaded_at, pulled_at, created_at, children, subject, _, _ = row
    return PolicyImage(
        digest=digest,
        tags=tuple(tags),
        uploaded_at=uploaded_at,
        pulled_at=pulled_at,
        created_at=created_at,
        children=None if children is None else tuple(child for child in children if child is not None),
        subject=subject,
    )
