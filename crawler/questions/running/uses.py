"""What workloads use of one snapshot's target: the rows of the table `running`."""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO, Final

from crawler.errors import ConfigError
from crawler.questions.diff.proof import ComparedRun
from crawler.questions.running.json_objects import JsonMistakeError, read_objects
from crawler.questions.running.kubernetes import ContainerUse, container_uses
from crawler.questions.running.reference import ImageReference, same_registry
from crawler.tables.database import GivenTable
from crawler.untrusted_text import printable

RUNNING_COLUMNS: Final = {
    "registry": "VARCHAR",
    "repository": "VARCHAR",
    "tag": "VARCHAR",
    "digest": "VARCHAR",
    "image_id": "VARCHAR",
    "is_needed": "BOOLEAN",
    "since": "TIMESTAMPTZ",
    "unrecorded_why": "VARCHAR",
    "namespace": "VARCHAR",
    "workload": "VARCHAR",
    "container": "VARCHAR",
    "reference": "VARCHAR",
}
"""One row for each image that a container uses under the target; two where it runs another one than it names.

    tag, digest, image_id: one of the three. `image_id` is the runtime's own name of what runs, which may be the digest
        of the image's config, or that of a manifest; other digests are those of manifests.
    is_needed: whether the registry must have it: not for what runs nothing now, and not where the runtime names the
        image by another repository than the one that it is pulled from.
    since: when the workload began to use it, at the latest; null where that is not known.
    unrecorded_why: why it is no proof that the snapshot has no record of the repository; null where it is one.
    workload: NAME of a pod, KIND/NAME of what starts pods.
    reference: as it is written in the specification.
"""

Row = dict[str, Any]

_HEXADECIMAL: Final = re.compile(r"[0-9a-f]{64}")  # CRI-O writes a config's digest so
_OTHERS_NAMED: Final = 5


class RunningImages:
    """The images that run, read from a stream of JSON. What is counted is whole once `rows` has ended.

    Attributes:
        workloads: how many objects were read.
    """

    def __init__(self, stream: BinaryIO, source: str, run: ComparedRun) -> None:
        """`source` names the stream in messages. `run` is that of the snapshot."""
        self._stream = stream
        self._source = source
        self._run = run
        self._registry = same_registry(run.target.registry)
        self._doubts: dict[str, str | None] = {}
        self._others: Counter[str] = Counter()
        self._used = self._invalid = 0
        self.workloads = 0

    def table(self) -> GivenTable:
        """The table `running`, which a database reads once. Its rows raise ConfigError."""
        return GivenTable("running", RUNNING_COLUMNS, self.rows())

    def rows(self) -> Iterator[Row]:
        """The rows of the table. Raises ConfigError."""
        try:
            for found in read_objects(self._stream):
                self.workloads += 1
                for use in container_uses(found):
                    yield from self._rows_of(use)
        except JsonMistakeError as exc:
            raise ConfigError([f"{self._source}: {exc}"]) from None
        except OSError as exc:
            raise ConfigError([f"{self._source}: cannot be read: {exc.strerror}"]) from None
        if not self.workloads:
            message = "holds no pod, so nothing is known of what runs: check the command that writes it"
            raise ConfigError([f"{self._source}: {message}"])

    def notes(self) -> list[str]:
        """What was read, so that a reader sees whether it was everything."""
        target, elsewhere = self._run.target, self._others.total()
        count = f"{self.workloads:,} {'workload' if self.workloads == 1 else 'workloads'}"
        notes = [f"{count} read; containers with images of {target}: {self._used:,}, from elsewhere: {elsewhere:,}"]
        if self._others:
            hosts = ", ".join(printable(host) for host, _ in self._others.most_common(_OTHERS_NAMED))
            notes[0] += f" ({hosts}{', …' if len(self._others) > _OTHERS_NAMED else ''})"
        if self._invalid:
            have = "container has a reference" if self._invalid == 1 else "containers have references"
            notes.append(f"{self._invalid:,} {have} to no image, and cannot start")
        if not self._used:
            notes.append(f"nothing of {target} runs, so that all of it is unused: check whose workloads they are")
        return notes

    def _rows_of(self, use: ContainerUse) -> Iterator[Row]:
        try:
            named = ImageReference.parse(use.reference)
        except ValueError:
            self._invalid += 1
            return
        if self._is_ours(named):
            self._used += 1
            yield self._row(use, named.repository, use.named_since, tag=named.tag, digest=named.digest)
            what_runs = _what_runs(named, use.image_id)
            if what_runs:
                yield self._row(use, named.repository, use.started_at, **what_runs)
        else:
            self._others[named.registry] += 1
        running = _running_reference(use.image_id)
        if running is not None and not _is_same_repository(running, named) and self._is_ours(running):
            yield self._row(use, running.repository, use.started_at, digest=running.digest, is_needed=False)

    def _is_ours(self, reference: ImageReference) -> bool:
        return reference.registry == self._registry and self._run.target.covers(reference.repository)

    def _row(self, use: ContainerUse, repository: str, since: datetime | None, **named: Any) -> Row:
        return {
            "registry": self._run.target.registry,
            "repository": repository,
            "is_needed": not use.is_idle,
            "since": since,
            "unrecorded_why": self._doubt(repository),
            "namespace": use.namespace,
            "workload": use.workload,
            "container": use.container,
            "reference": use.reference,
            **named,
        }

    def _doubt(self, repository: str) -> str | None:
        if repository not in self._doubts:
            self._doubts[repository] = _absence_doubt(self._run, repository)
        return self._doubts[repository]


def _what_runs(named: ImageReference, image_id: str) -> dict[str, str]:
    """What the runtime runs of a repository, where the reference does not say that. `image_id` is the runtime's word.

    It may name another repository than the one that the image was pulled from: the first of those that it knows the
    image by (openshift OCPBUGS-8428, cri-o#9683). Then its digest need not be one of this repository.
    """
    running = _running_reference(image_id)
    if running is not None and running.digest is not None and _is_same_repository(running, named):
        return {} if running.digest == named.digest else {"digest": running.digest}
    if named.digest is not None or not image_id:
        return {}
    if running is not None and running.digest is not None:
        return {"image_id": running.digest}
    bare = _without_scheme(image_id)
    return {"image_id": f"sha256:{bare}" if _HEXADECIMAL.fullmatch(bare) else bare}


def _running_reference(image_id: str) -> ImageReference | None:
    """What the runtime says that it runs, where it names a repository and a digest."""
    try:
        reference = ImageReference.parse(_without_scheme(image_id))
    except ValueError:
        return None
    return reference if reference.digest is not None else None


def _without_scheme(image_id: str) -> str:
    """Without `docker-pullable://` or `docker://` (kubernetes#115199)."""
    return image_id.rpartition("://")[2]


def _is_same_repository(one: ImageReference, other: ImageReference) -> bool:
    return (one.registry, one.repository) == (other.registry, other.repository)


def _absence_doubt(run: ComparedRun, repository: str) -> str | None:
    """Why a repository that a run has no record of may be there."""
    if not run.scope.covers(repository):
        return "the filters of the crawl leave the repository out"
    if run.is_name_list:
        return "the repository is not on the list of names that was crawled"
    if run.location is not None:
        return f"only the location {printable(run.location)} was crawled"
    if not run.is_discovered or run.unrecorded:
        return "discovery was not complete, so that the repository may be there"
    return None
