"""What a crawl of depth configs must find behind an emulator's tags; written without the crawler's own code.

Both sides are brought to one form: what is absent, null and empty are the same here.
"""

from datetime import datetime
from typing import Any

from crawler.emulator import ImageFacts, Inventory

_BASE = "org.opencontainers.image.base."
_UNREAD = ("dangling-tag", "vanished-tag", "manifest-unreadable", "schema1", "digest-mismatch")
"""Problems of images of which no more is known than what the listing has."""


def expected_images(inventory: Inventory) -> dict[str, dict[str, Any]]:
    """By repository and digest, what is behind the manifests that can be read."""
    return {
        name: {
            digest: _without_nothing(_image(facts))
            for digest, facts in inventory.facts(name).items()
            if facts["problem"] not in _UNREAD
        }
        for name in inventory.names
    }


def expected_problems(inventory: Inventory) -> set[tuple[str, str]]:
    """The repository and the sort of every problem."""
    return {
        (name, facts["problem"])
        for name in inventory.names
        for facts in inventory.facts(name).values()
        if facts["problem"] is not None
    }


def comparable_images(records: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The same of a snapshot's records, by their names."""
    return {
        name: {
            image["digest"]: _without_nothing(_of_record(image))
            for image in record["images"] or ()
            if image["manifest"] is not None
        }
        for name, record in records.items()
    }


def _image(facts: ImageFacts) -> dict[str, Any]:
    manifest = facts["manifest"]
    is_image = facts["kind"] == "image"
    return {
        "tags": facts["tags"],
        "kind": facts["kind"],
        "media_type": facts["media_type"],
        "artifact_type": _artifact_type(facts),
        "subject_digest": facts["subject_digest"],
        "children": sorted(child["digest"] for child in facts["platforms"] or ()),
        "attested": {
            child["digest"]: child.get("annotations", {}).get("vnd.docker.reference.digest")
            for child in facts["platforms"] or ()
        },
        "layers": [(layer["digest"], layer["size"], layer["mediaType"]) for layer in facts["layers"] or ()],
        "annotations": manifest.get("annotations"),
        "config": _config(facts, facts["config"]) if is_image and facts["config"] else None,
    }


def _artifact_type(facts: ImageFacts) -> str | None:
    """An artifact without a type is of its config's (image-spec, manifest.md, "Guidelines for Artifact Usage")."""
    config: dict[str, str] = facts["manifest"].get("config", {}) if facts["kind"] == "artifact" else {}
    return facts["manifest"].get("artifactType", config.get("mediaType"))


def _config(facts: ImageFacts, config: dict[str, Any]) -> dict[str, Any]:
    settings = config["config"]
    claims = {"annotation": facts["manifest"].get("annotations"), "label": settings.get("Labels")}
    claim = claims.get(facts["base_from"] or "")
    return _without_nothing(
        {
            "os": config["os"],
            "architecture": config["architecture"],
            "variant": config.get("variant"),
            "created_at": _milliseconds(config.get("created")),
            "user": settings.get("User"),
            "entrypoint": settings.get("Entrypoint"),
            "cmd": settings.get("Cmd"),
            "working_dir": settings.get("WorkingDir"),
            "exposed_ports": sorted(settings.get("ExposedPorts", ())),
            "env_names": [value.partition("=")[0] for value in settings["Env"]],
            "healthcheck": "Healthcheck" in settings,
            "labels": settings.get("Labels"),
            "diff_ids": config["rootfs"]["diff_ids"],
            "base_from": facts["base_from"],
            "base_digest": claim.get(f"{_BASE}digest") if claim else facts["base_digest"],
        }
    )


def _of_record(image: dict[str, Any]) -> dict[str, Any]:
    is_index = image["kind"] == "index"
    platforms = image["platforms"] if is_index and image["platforms"] else ()
    manifest, config = image["manifest"], image["config"]
    return {
        "tags": image["tags"],
        "kind": image["kind"],
        "media_type": image["media_type"],
        "artifact_type": image["artifact_type"] if image["kind"] != "image" else None,
        "subject_digest": image["subject_digest"],
        "children": sorted(platform["digest"] for platform in platforms),
        "attested": {platform["digest"]: platform["attests_digest"] for platform in platforms},
        "layers": [(layer["digest"], layer["size_bytes"], layer["media_type"]) for layer in manifest["layers"] or ()],
        "annotations": manifest["annotations"],
        "config": None if config is None else _comparable_config(config),
    }


def _comparable_config(config: dict[str, Any]) -> dict[str, Any]:
    # the name follows from the digest, or from the claim that base_from names
    found = {key: value for key, value in config.items() if key != "base_name"}
    return _without_nothing({**found, "exposed_ports": sorted(config["exposed_ports"] or ())})


def _without_nothing(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, "", [], {}, False)}


def _milliseconds(time: str | None) -> str | None:
    if time is None:
        return None
    return f"{datetime.fromisoformat(time):%Y-%m-%dT%H:%M:%S}.{time[20:23]}Z"
