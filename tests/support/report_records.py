"""Records of a made-up registry, and what a report must say of them: reckoned in plain Python, without SQL."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)
"""When the snapshots of the fixture `publish` begin, unless another day is named."""

Record = dict[str, Any]

_AGES = ((30, "under 1 month"), (91, "1 to 3 months"), (182, "3 to 6 months"), (365, "6 to 12 months"))
_YEARS = ((730, "1 to 2 years"), (1095, "2 to 3 years"))


def digest_of(text: str) -> str:
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def record(name: str, **fields: Any) -> Record:
    """A record of a repository that is listed, and has nothing."""
    empty: Record = {
        "schema": 2,
        "registry": "registry.example.com",
        "repository": name,
        "outcome": "ok",
        "tags": [],
        "images": None,
        "children": None,
        "problems": [],
        "suspect": None,
        "error": None,
        "observed_at": "2026-11-20T02:00:01.000Z",
    }
    return {**empty, **fields}


def image(digest: str, **fields: Any) -> Record:
    """An image of which nothing is known."""
    names = "kind media_type artifact_type subject_digest size_bytes created_at uploaded_at updated_at pulled_at"
    names += " platforms manifest config referrers"
    return {"digest": digest, "tags": [], **dict.fromkeys(names.split()), **fields}


def counts_of(records: list[Record]) -> dict[str, Any]:
    """The counts and problems of `_run.json`."""
    outcomes = Counter(each["outcome"] for each in records)
    problems = Counter(problem["problem"] for each in records for problem in each["problems"])
    listed = [each["images"] for each in records if each["images"] is not None]
    counts = {
        "repositories": len(records),
        **{outcome: outcomes[outcome] for outcome in ("ok", "missing", "denied", "failed", "invalid")},
        "suspect": sum(each["suspect"] is not None for each in records),
        "tags": sum(len(each["tags"]) for each in records),
        "images": sum(map(len, listed)) if listed else None,
        "problems": problems.total(),
        "unread": 0,
    }
    return {"counts": counts, "problems": dict(problems)}


def made_up_records(seed: int) -> list[Record]:
    """Repositories of four teams, with images that share layers, indexes, signatures and SBOMs."""
    rng = random.Random(seed)
    records = [_made_up_record(rng, f"{rng.choice(('ads', 'base', 'cart', 'docs'))}/app-{n}") for n in range(30)]
    return [*records, record("empty", images=[])]


def _made_up_record(rng: random.Random, name: str) -> Record:
    images: list[Record] = []
    for number in range(rng.randrange(5)):
        digest = digest_of(f"{name}/{number}")
        children = [digest_of(f"{digest}/{child}") for child in range(rng.choice((0, 0, 2)))]
        images += [_made_up_image(rng, child, []) for child in children]
        if children:
            platforms = [_platform(child) for child in children]
            index = {"kind": "index", "platforms": platforms, "manifest": _manifest([])}
            images.append(image(digest, tags=[f"v{number}"], referrers=_referrers(rng), **index))
        else:
            images.append(_made_up_image(rng, digest, [f"v{number}"][: rng.randrange(2)]))
    return record(name, images=images, tags=[tag for each in images for tag in each["tags"]])


def _made_up_image(rng: random.Random, digest: str, tags: list[str]) -> Record:
    layers = [(digest_of(f"layer-{n}"), 1000 + n) for n in rng.sample(range(40), 3)]
    platform = _platform(digest)
    return image(
        digest,
        tags=tags,
        kind=rng.choice(("image", "image", "image", "signature", None)),
        size_bytes=sum(size for _, size in layers),
        created_at=rng.choice((_time(rng), _time(rng), "1970-01-01T00:00:00.000Z", None)),
        uploaded_at=rng.choice((_time(rng), None)),
        platforms=rng.choice(([platform], [platform], None)),
        manifest=_manifest(layers),
        referrers=rng.choice((_referrers(rng), None)),
    )


def _time(rng: random.Random) -> str:
    return (NOW - timedelta(days=rng.randrange(-5, 1500))).isoformat(timespec="milliseconds")[:-6] + "Z"


def _manifest(layers: list[tuple[str, int]]) -> Record:
    described = [{"digest": digest, "size_bytes": size, "media_type": None} for digest, size in layers]
    return {"config_digest": None, "layers": described or None, "annotations": None}


def _platform(digest: str) -> Record:
    """The same whoever lists the image."""
    architecture, variant = (("amd64", None), ("arm64", "v8"), ("s390x", None))[int(digest[-1], 16) % 3]
    names = "os_version size_bytes media_type attests_digest"
    return {
        "digest": digest,
        "os": "linux",
        "architecture": architecture,
        "variant": variant,
        "role": "image",
        **dict.fromkeys(names.split()),
    }


def _referrers(rng: random.Random) -> list[Record]:
    kinds = rng.sample(("signature", "sbom", "provenance", "vex"), rng.randrange(3))
    nothing = dict.fromkeys(("artifact_type", "predicate_type", "size_bytes", "created_at"))
    return [{"digest": digest_of(kind), "via": "api", "kind": kind, **nothing} for kind in kinds]


def bytes_by_team(records: list[Record]) -> dict[str, int]:
    """Each layer once for each team; the whole registry under ""."""
    layers: dict[str, dict[str, int]] = defaultdict(dict)
    for each in records:
        for manifest in (found["manifest"] for found in each["images"] or [] if found["manifest"]):
            for layer in manifest["layers"] or []:
                for team in (each["repository"].split("/")[0], ""):
                    layers[team][layer["digest"]] = layer["size_bytes"]
    return {team: sum(sizes.values()) for team, sizes in layers.items()}


def images_by_age(records: list[Record]) -> Counter[str]:
    return Counter(_age(found) for _, found in _images(records) if found["kind"] in {"image", None})


def _images(records: list[Record]) -> Iterator[tuple[str, Record]]:
    yield from ((each["repository"], found) for each in records for found in each["images"] or [])


def _age(found: Record) -> str:
    tomorrow = (NOW + timedelta(days=1)).isoformat()
    is_plausible = found["created_at"] is not None and "1981" <= found["created_at"] < tomorrow
    built = found["created_at"] if is_plausible else found["uploaded_at"]
    if built is None or (days := (NOW - datetime.fromisoformat(built)).days) < -1:
        return "unknown"
    return next((label for limit, label in (*_AGES, *_YEARS) if days < limit), "over 3 years")


def images_by_platform(records: list[Record]) -> Counter[str]:
    platforms: dict[tuple[str, str], str] = {}
    for name, found in _images(records):
        if found["kind"] in {"image", None}:
            platforms.setdefault((name, found["digest"]), "unknown")
        for platform in found["platforms"] or []:
            parts = [platform["os"], platform["architecture"], platform["variant"]]
            platforms[name, platform["digest"]] = "/".join(part for part in parts if part)
    return Counter(platforms.values())


_PULLED = {"image", "index", None}


def coverage(records: list[Record]) -> dict[str, list[int]]:
    """How many tagged images have a signature, an SBOM, a provenance; are proved to have none; may have one.

    Every image was asked for, so a list that was read is a proof.
    """
    pulled = {(name, found["digest"]): found for name, found in _images(records) if found["kind"] in _PULLED}
    result = {}
    for kind in ("signature", "sbom", "provenance"):
        states: Counter[str] = Counter()
        for (name, _), found in pulled.items():
            if found["tags"]:
                is_index = found["kind"] == "index" and kind != "signature"
                children = [pulled.get((name, child["digest"])) for child in found["platforms"]] if is_index else []
                states[_state(kind, found, children)] += 1
        result[kind] = [states["listed"], states["none"], states["unknown"]]
    return result


def _state(kind: str, found: Record, children: list[Record | None]) -> str:
    """Of an image, or of an index with its children."""
    own, below = _own_state(kind, found), [_own_state(kind, child) for child in children]
    if own == "listed" or (below and set(below) == {"listed"}):
        return "listed"
    return "unknown" if below and "none" not in below else own


def _own_state(kind: str, found: Record | None) -> str:
    if found is None or found["kind"] not in _PULLED or found["referrers"] is None:
        return "unknown"
    if kind in {referrer["kind"] for referrer in found["referrers"]}:
        return "listed"
    return "unknown" if found["kind"] is None else "none"
