"""The parameters that identify a run, and the notice about a run that is resumed."""

import secrets
from datetime import UTC, datetime

from crawler.config import ImagesConfig, RegistryConfig, ScaleConfig
from crawler.model.run_parameters import RunParameters
from crawler.model.timestamps import timestamp
from crawler.snapshot.journal import Journal
from crawler.snapshot.unfinished import age_text
from crawler.untrusted_text import quoted_path


def build_run_parameters(
    registry: RegistryConfig, images: ImagesConfig, now: datetime, scale: ScaleConfig | None = None
) -> RunParameters:
    """The parameters of a run that begins now.

    The identity is added once the credentials are known, and `balanced_by` once a shard has joined its group.
    """
    names, shard = registry.repositories_from, None if scale is None else scale.shard
    return RunParameters(
        # many shards begin in one second, in one folder
        run_id=f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2 if shard is None else 4)}",
        started_at=timestamp(now),
        target=str(registry.target),
        kind=registry.profile.kind,
        identity="",
        images_from=registry.images_from,
        location=registry.location,
        api_path=registry.api_path,
        discovery=registry.discovery,
        repositories_from=None if names is None else quoted_path(names),
        include=registry.include,
        exclude=registry.exclude,
        depth=images.depth,
        referrers=images.referrers,
        include_tags=images.include_tags,
        exclude_tags=images.exclude_tags,
        group=None if scale is None else scale.group,
        shards=None if shard is None else shard.count,
        shard=None if shard is None else shard.index,
    )


def resumed_message(journal: Journal, kept: int) -> str:
    """Which run is resumed, when it began, how many records are kept, and what happens to the other records."""
    parameters, dropped = journal.parameters, journal.dropped
    age = age_text(parameters.age(datetime.now(UTC)))
    line = f"resuming run {parameters.run_id}, begun {age} at {parameters.started_at}, with {kept:,} records"
    if dropped.not_final:
        line += f"; {dropped.not_final:,} that were failed, denied, suspect or not read whole are listed again"
    if dropped.unreadable or dropped.duplicates:
        line += f"; {dropped.unreadable + dropped.duplicates:,} unreadable or duplicate lines are dropped"
    return line
