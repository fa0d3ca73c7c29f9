"""The tables that questions have beside those of every snapshot: `tables/*.sql`, in the form of `crawler/tables/sql/`.

Each reads only that much of a record which its questions need, which makes them quick: most of the time goes into
reading. And they keep what nothing is known of. Expressions that several of them share are written here; `{{NAME}}`
stands for them.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from importlib.resources import files
from typing import Final

from crawler.tables.database import Database, GivenTable, open_database
from crawler.tables.definitions import Table, load_table
from crawler.tables.selection import SelectedSnapshot

_NAMES: Final = (
    "attestable",
    "contents",
    "judged",
    "lifecycles",
    "listings",
    "pullable",
    "runnable",
    "pushes",
    "tagged",
    "unread",
)

_SHARED: Final = {
    # Why something of a repository is not known; NULL where all is known. What is missing or has an invalid name is
    # known not to be there, and a tag that is proved to have no manifest has no image either.
    "{{why_unread}}": """
        CASE
            WHEN outcome = 'denied' THEN 'the registry denied the repository'
            WHEN outcome = 'failed' THEN 'the repository could not be listed'
            WHEN suspect IS NOT NULL THEN 'its listing may be truncated'
            WHEN outcome = 'ok' AND NOT list_has_all(
                list_concat(
                    flatten(list_transform(coalesce(images, []), lambda image: image.tags)),
                    list_transform(
                        list_filter(
                            problems, lambda problem: problem.problem IN ('dangling-tag', 'vanished-tag')
                        ),
                        lambda problem: problem.tag
                    )
                ),
                tags
            ) THEN 'not every image of its tags was read'
        END""",
    # The images of a repository, and NULL for what is not known of it.
    "{{each_image}}": "unnest(CASE WHEN unread IS NULL THEN images ELSE list_append(coalesce(images, []), NULL) END)",
    # Whether `image` is an image or an index, tagged or not, or NULL. Signatures, SBOMs and other artifacts are not.
    "{{is_pullable}}": """
        (image.kind IN ('image', 'index') OR image.kind IS NULL)
        AND (
            image.kind = 'image'
            OR coalesce(len(image.tags), 0) = 0
            OR len(list_filter(image.tags, lambda tag: NOT regexp_full_match(tag, {{digest_tag}}))) > 0
        )""",
    # The platforms that an index lists, without the attestations beside them.
    "{{image_platforms}}": "list_filter(image.platforms, lambda platform: coalesce(platform.role, 'image') = 'image')",
    # A tag that names a digest: of cosign, or of the list of an image's referrers (distribution-spec, "Referrers Tag
    # Schema").
    "{{digest_tag}}": "'sha(256-[0-9a-f]{64}|512-[0-9a-f]{128})([.](sig|att|sbom))?'",
}


def open_tables(
    snapshots: Sequence[SelectedSnapshot], given: Sequence[GivenTable] = ()
) -> AbstractContextManager[Database]:
    """The tables of snapshots, those for questions, and the given ones. Raises SnapshotError."""
    folder = files(__package__) / "tables"
    return open_database(snapshots, [_filled(load_table(folder, name)) for name in _NAMES], given)


def _filled(table: Table) -> Table:
    sql = table.sql
    for marker, expression in _SHARED.items():
        sql = sql.replace(marker, expression)
    return replace(table, sql=sql)
