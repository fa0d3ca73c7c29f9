"""What diff must find, in plain Python: one rule after the other, without DuckDB and without a thought of speed."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]
Found = tuple[str, str | None, str | None, str | None, str | None, str | None]
"""Kind, repository, tag, subject, old digest, new digest."""

_DEPTHS = ("tags", "digests", "manifests", "configs")
_LEVELS = ("none", "listed", "api")


@dataclass(frozen=True, slots=True)
class Night:
    """A snapshot: its run's fields and its records."""

    run: Mapping[str, Any]
    records: Sequence[Record]

    @property
    def by_name(self) -> dict[str, Record]:
        return {record["repository"]: record for record in self.records}

    @property
    def proves_absence(self) -> bool:
        return self.run["discovery"]["complete"] and self.run["config"]["registry"]["repositories_from"] is None

    @property
    def reading(self) -> tuple[str, str]:
        return self.run["depth"], self.run["referrers"]


def expected_changes(old: Night, new: Night) -> set[Found]:
    """Every change, without its detail."""
    found: set[Found] = set()
    same_account = old.run["identity"] == new.run["identity"]
    for name in {*old.by_name, *new.by_name}:
        before, after = old.by_name.get(name), new.by_name.get(name)
        found |= set(_of_repository(name, before, after, old, new, same_account=same_account))
    for reason in ("no-digest", "no-old-digest"):
        without_digest = {one for one in found if one[0] == reason}
        if without_digest:
            found = (found - without_digest) | {("unknown", None, None, None, None, None)}
    had_more = old.run["counts"]["problems"] > 0 or old.reading[1] != "none"
    shallower = _DEPTHS.index(new.reading[0]) < _DEPTHS.index(old.reading[0])
    fewer = _LEVELS.index(new.reading[1]) < _LEVELS.index(old.reading[1])
    if had_more and (shallower or fewer):
        found.add(("unknown", None, None, None, None, None))
    return found


def _state(record: Record | None) -> str:
    if record is None:
        return "unlisted"
    return {"ok": "there", "missing": "absent", "invalid": "invalid"}.get(record["outcome"], "unread")


def _of_repository(
    name: str, before: Record | None, after: Record | None, old: Night, new: Night, *, same_account: bool
) -> Iterator[Found]:
    was, now = _state(before), _state(after)
    lone = (name, None, None, None, None)
    if after is not None and now == "there" and was not in {"there", "unread"}:
        yield ("repository-added", *lone)
        yield from _new_problems(name, (), after["problems"], old, new)
    elif "unread" in {was, now}:
        yield ("unknown", *lone)
    elif was == "there" and now in {"absent", "unlisted", "invalid"}:
        proved = now == "absent" or (now == "unlisted" and new.proves_absence and same_account)
        yield ("repository-removed" if proved else "unknown", *lone)
    elif before is not None and after is not None and (was, now) == ("there", "there"):
        if after["suspect"] is not None:
            yield ("unknown", *lone)
        yield from _of_both(name, before, after, old, new)


def _of_both(name: str, before: Record, after: Record, old: Night, new: Night) -> Iterator[Found]:
    is_google = old.run["kind"] == new.run["kind"] == "gcr"
    same_reading = old.reading == new.reading
    lists_all = is_google and same_reading
    emptied = not after["suspect"] and not _tags(after) and not after["images"]
    if emptied and (_tags(before) or (before["images"] and lists_all and after["images"] is not None)):
        yield ("repository-emptied", name, None, None, None, None)
    else:
        yield from _tag_changes(name, before, after, new)
        if lists_all and before["images"] is not None and after["images"] is not None:
            had, has = ({image["digest"] for image in record["images"]} for record in (before, after))
            yield from (("image-added", name, None, None, None, one) for one in has - had)
            if not after["suspect"]:
                yield from (("image-removed", name, None, None, one, None) for one in had - has)
    if same_reading and old.reading[1] != "none":
        yield from _signature_changes(name, before, after, new)
    yield from _new_problems(name, before["problems"], after["problems"], old, new)
    if same_reading and not after["suspect"]:
        gone = _keys(before["problems"]) - _keys(after["problems"])
        kind = "problem-gone" if _was_read(after) else "unknown"
        yield from ((kind, name, tag, None, digest, None) for _, tag, digest in gone)


def _tags(record: Record) -> dict[str, str | None]:
    digests: defaultdict[str, set[str]] = defaultdict(set)
    for tag in record["tags"]:
        digests[tag] |= set()
    for image in record["images"] or ():
        for tag in image["tags"]:
            digests[tag].add(image["digest"])
    vanished = {problem["tag"] for problem in record["problems"] if problem["problem"] == "vanished-tag"}
    return {
        tag: next(iter(found)) if len(found) == 1 else None for tag, found in digests.items() if tag not in vanished
    }


def _tag_changes(name: str, before: Record, after: Record, new: Night) -> Iterator[Found]:
    had, has = _tags(before), _tags(after)
    for tag in {*had, *has}:
        if tag not in had:
            yield ("tag-added", name, tag, None, None, has[tag])
        elif tag not in has:
            if not after["suspect"]:
                yield ("tag-removed", name, tag, None, had[tag], None)
        elif had[tag] is not None and has[tag] is not None:
            if had[tag] != has[tag]:
                yield ("tag-moved", name, tag, None, had[tag], has[tag])
        elif kind := _without_digest(tag, had[tag], before, after, new):
            yield (kind, name, tag, None, had[tag], None)


def _without_digest(tag: str, was: str | None, before: Record, after: Record, new: Night) -> str | None:
    """`no-digest` and `no-old-digest` are counted, and not reported one by one."""
    if was is None and _tags(after)[tag] is not None:
        return None if tag in _tags_with(before, "dangling-tag") else "no-old-digest"
    if new.run["depth"] == "tags":
        return None if was is None else "no-digest"
    return "unknown" if was is not None or tag in _tags_with(after, "manifest-unreadable") else None


def _tags_with(record: Record, problem: str) -> set[str | None]:
    return {found["tag"] for found in record["problems"] if found["problem"] == problem}


def _signature_changes(name: str, before: Record, after: Record, new: Night) -> Iterator[Found]:
    had = {image["digest"]: image["referrers"] for image in before["images"] or ()}
    has = {image["digest"]: image["referrers"] for image in after["images"] or ()}
    tagged = {image["digest"] for image in after["images"] or () if image["tags"]}
    for subject in had.keys() & has.keys():
        if had[subject] is None:
            continue
        if has[subject] is None:
            if subject in tagged and not after["suspect"]:
                yield from (("unknown", name, None, subject, one["digest"], None) for one in had[subject])
            continue
        for one in _lacking(has[subject], had[subject]):
            yield ("signature-added", name, None, subject, None, one["digest"])
        for one in [] if after["suspect"] else _lacking(had[subject], has[subject]):
            is_proved = _was_read(after) and (one["via"] != "api" or _api_answers(new))
            yield ("signature-removed" if is_proved else "unknown", name, None, subject, one["digest"], None)


def _api_answers(night: Night) -> bool:
    images = [image for record in night.records for image in record["images"] or ()]
    listed = [referrer["via"] for image in images for referrer in image["referrers"] or ()]
    return night.reading[1] == "api" and "api" in listed


def _lacking(these: Sequence[Record], those: Sequence[Record]) -> list[Record]:
    digests = {one["digest"] for one in those}
    places = {one["via"] for one in those} & {"cosign-tag"}
    return [one for one in these if one["digest"] not in digests and one["via"] not in places]


def _new_problems(
    name: str, before: Sequence[Record], after: Sequence[Record], old: Night, new: Night
) -> Iterator[Found]:
    if old.reading == new.reading:
        fresh = _keys(after) - _keys(before)
        yield from (("problem-new", name, tag, None, None, digest) for _, tag, digest in fresh)


def _keys(problems: Sequence[Record]) -> set[tuple[str, str | None, str | None]]:
    return {(problem["problem"], problem["tag"], problem["digest"]) for problem in problems}


def _was_read(record: Record) -> bool:
    return not {problem["problem"] for problem in record["problems"]} & {"manifest-unreadable", "digest-mismatch"}
