"""What a crawl in depth of an emulated registry should find, from the emulator's facts, without the crawler's code."""

from collections import Counter
from typing import Any

from crawler.emulator import Inventory
from crawler.emulator.facts import ImageFacts

ATTESTATION = "attestation-manifest"
NOT_THERE = {"vanished-tag"}
"""Problems of images that are not in the snapshot."""


def expected_images(inventory: Inventory, name: str) -> dict[str, dict[str, Any]]:
    """The compared fields of each image of a repository, by digest."""
    facts = inventory.facts(name)
    return {digest: _expected(each) for digest, each in facts.items() if each["problem"] not in NOT_THERE}


def found_images(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The same fields of a record's images."""
    return {image["digest"]: _found(image) for image in record["images"]}


def expected_problems(inventory: Inventory, name: str) -> Counter[str]:
    return Counter(each["problem"] for each in inventory.facts(name).values() if each["problem"] is not None)


def _expected(facts: ImageFacts) -> dict[str, Any]:
    is_read = facts["problem"] not in {"dangling-tag", "manifest-unreadable", "schema1"}
    config = facts["config"] if is_read and facts["kind"] == "image" else None
    return {
        "tags": facts["tags"],
        "children": _children(facts) if is_read else None,
        "layers": [layer["digest"] for layer in facts["layers"]] if is_read and facts["layers"] is not None else None,
        "annotations": facts["manifest"].get("annotations", {}) if is_read else None,
        "user": config and config["config"].get("User"),
        "labels": config and config["config"].get("Labels"),
        "env_names": config and [each.partition("=")[0] for each in config["config"].get("Env", [])],
        "diff_ids": config and config["rootfs"]["diff_ids"],
        "architecture": config and config["architecture"],
    }


def _children(facts: ImageFacts) -> list[tuple[Any, ...]] | None:
    if facts["platforms"] is None:
        return None
    children = []
    for child in facts["platforms"]:
        annotations = child.get("annotations", {})
        is_attestation = annotations.get("vnd.docker.reference.type") == ATTESTATION
        architecture = None if is_attestation else child.get("platform", {}).get("architecture")
        children.append((child["digest"], architecture, annotations.get("vnd.docker.reference.digest")))
    return children


def _found(image: dict[str, Any]) -> dict[str, Any]:
    manifest, config = image["manifest"], image["config"]
    return {
        "tags": image["tags"],
        "children": [
            (child["digest"], child["architecture"], child["attests_digest"]) for child in image["platforms"] or ()
        ]
        if manifest is not None and image["kind"] == "index"
        else None,
        "layers": manifest and manifest["layers"] and [layer["digest"] for layer in manifest["layers"]],
        "annotations": manifest and manifest["annotations"],
        "user": config and config["user"],
        "labels": config and config["labels"],
        "env_names": config and config["env_names"],
        "diff_ids": config and config["diff_ids"],
        "architecture": config and config["architecture"],
    }
