"""Records for questions about snapshots: whole ones, of which a test names what matters."""

from typing import Any

Json = dict[str, Any]


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def repository(name: str, *images: Json, **fields: Any) -> Json:
    """A record of a repository with images, whose tags are those of the images. Google lists it: it has children."""
    return {
        "schema": 2,
        "run_id": "",
        "target": "",
        "registry": "registry.example.com",
        "repository": name,
        "outcome": "ok",
        "tags": [tag for each in images for tag in each["tags"]],
        "images": list(images),
        "children": [],
        "problems": [],
        "suspect": None,
        "error": None,
        "observed_at": "2026-11-20T02:00:00.000Z",
        **fields,
    }


def denied(name: str) -> Json:
    error = {"code": "DENIED", "http_status": 403, "message": "no right to pull"}
    return repository(name, outcome="denied", images=None, children=None, error=error)


def listed_image(number: int, *tags: str, **fields: Any) -> Json:
    """An image as a listing has it: neither its manifest nor its config was read."""
    return {
        "digest": digest(number),
        "tags": list(tags),
        **dict.fromkeys(("kind", "media_type", "artifact_type", "subject_digest", "size_bytes", "created_at")),
        **dict.fromkeys(("uploaded_at", "updated_at", "pulled_at", "platforms", "manifest", "config", "referrers")),
        **fields,
    }


def image(number: int, *tags: str, config: Json | None = None, **fields: Any) -> Json:
    """An image that was read whole: of one layer, for linux/amd64, as root, with no referrers."""
    known = {
        **dict.fromkeys(("variant", "entrypoint", "cmd", "working_dir", "user", "created_at")),
        **dict.fromkeys(("exposed_ports", "env_names", "healthcheck", "diff_ids")),
        **dict.fromkeys(("base_name", "base_digest", "base_from")),
        "labels": {},
        "os": "linux",
        "architecture": "amd64",
        **(config or {}),
    }
    return listed_image(
        number,
        *tags,
        **{
            "kind": "image",
            "size_bytes": 1000,
            "platforms": [platform(number, known["os"], known["architecture"])],
            "manifest": {"config_digest": digest(number + 10_000), "layers": [layer(number)], "annotations": {}},
            "config": known,
            "referrers": [],
            **fields,
        },
    )


def index(number: int, children: list[int], *tags: str, **fields: Any) -> Json:
    return listed_image(
        number,
        *tags,
        **{
            "kind": "index",
            "platforms": [platform(child) for child in children],
            "manifest": {"config_digest": None, "layers": None, "annotations": {}},
            "referrers": [],
            **fields,
        },
    )


def platform(number: int, os: str = "linux", architecture: str = "amd64") -> Json:
    return {
        **dict.fromkeys(("variant", "os_version", "size_bytes", "media_type", "attests_digest")),
        "digest": digest(number),
        "os": os,
        "architecture": architecture,
        "role": "image",
    }


def layer(number: int, size_bytes: int | None = 1000) -> Json:
    return {"digest": digest(number + 20_000), "size_bytes": size_bytes, "media_type": None}


def referrer(number: int, kind: str, **fields: Any) -> Json:
    return {
        **dict.fromkeys(("artifact_type", "predicate_type", "size_bytes", "created_at")),
        "digest": digest(number),
        "via": "bulk",
        "kind": kind,
        **fields,
    }


def problem(kind: str, **fields: Any) -> Json:
    known = dict.fromkeys(("tag", "digest", "code", "http_status"))
    return {"problem": kind, **known, "message": "manifest unknown", **fields}
