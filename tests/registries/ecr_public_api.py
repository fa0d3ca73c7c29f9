"""ECR Public's API: the aliases of the account's own registry, its repositories and their images.

(https://docs.aws.amazon.com/AmazonECRPublic/latest/APIReference/)
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from support.scripted import Entry

from . import ecr_public
from .ecr_api import PUBLIC_SERVICE, Held, pages, tagged
from .ecr_api import repositories as listed_repositories

ALIAS = "nginx"
INVENTORY = {name.removeprefix(f"{ALIAS}/"): tagged(name, tags) for name, tags in ecr_public.REPOSITORIES.items()}
"""The repositories as the API names them: without the alias."""


def alias(name: Any, status: Any = "ACTIVE", *, primary: bool = False) -> dict[str, Any]:
    return {"name": name, "status": status, "primaryRegistryAlias": primary, "defaultRegistryAlias": not primary}


def registries(*aliases: dict[str, Any]) -> list[Entry]:
    """The account has one registry, and no next page."""
    registry = {
        "registryId": "123456789012",
        "registryUri": f"public.ecr.aws/{ALIAS}",
        "verified": True,
        "aliases": list(aliases),
    }
    return pages("DescribeRegistries", "registries", [registry], PUBLIC_SERVICE)


def described(held: Held) -> dict[str, Any]:
    """What ECR Public tells of an image: less than ECR."""
    unknown = {"lastRecordedPullTime", "subjectManifestDigest", "imageStatus"}
    return {name: value for name, value in held.entry.items() if name not in unknown}


def images(name: str, held: Sequence[Held]) -> list[Entry]:
    """No request has a filter: the API knows none."""
    matched = {"repositoryName": re.escape(name), "filter": None}
    return pages("DescribeImages", "imageDetails", [described(each) for each in held], PUBLIC_SERVICE, json=matched)


def api(inventory: Mapping[str, Sequence[Held]] = INVENTORY) -> list[Entry]:
    return [
        *registries(alias("d4f5a6b7"), alias(ALIAS, primary=True), alias("wanted", "PENDING")),
        *listed_repositories(inventory, PUBLIC_SERVICE, size=1),
        *(entry for name, held in inventory.items() for entry in images(name, held)),
    ]
