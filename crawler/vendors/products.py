"""Which product has an API: a line for each. Its module is imported where a run has that product."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

from crawler.vendors.api import VendorApi

if TYPE_CHECKING:
    from crawler.vendors.access import ApiAccess

PRODUCTS: Final[Mapping[str, str]] = {
    "docker-hub": "docker_hub",
    "ghcr": "github",
    "ecr": "ecr",
    "ecr-public": "ecr_public",
    "acr": "acr",
    "quay": "quay",
    "harbor": "harbor",
    "gitlab": "gitlab",
    "artifactory": "artifactory",
    "nexus": "nexus",
    "zot": "zot",
    "gitea": "gitea",
}
"""The module of each product, by the kind of `profiles/products.py`, in its order. Its function `open_MODULE` opens."""


def open_product(kind: str, access: "ApiAccess") -> VendorApi:
    """What the API of a product of `PRODUCTS` can be asked."""
    module = PRODUCTS[kind]
    opened: Callable[[ApiAccess], VendorApi] = getattr(import_module(f"crawler.vendors.{module}"), f"open_{module}")
    return opened(access)
