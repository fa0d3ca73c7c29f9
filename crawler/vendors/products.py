"""Which product has an API: a line for each."""

from collections.abc import Callable, Mapping
from typing import Final

from crawler.vendors.access import ApiAccess
from crawler.vendors.api import VendorApi
from crawler.vendors.docker_hub import open_docker_hub
from crawler.vendors.github import open_github
from crawler.vendors.gitlab import open_gitlab

PRODUCTS: Final[Mapping[str, Callable[[ApiAccess], VendorApi]]] = {
    "docker-hub": open_docker_hub,
    "ghcr": open_github,
    "gitlab": open_gitlab,
}
"""By the kind of `profiles.py`. Raises CredentialsError where the API's credentials cannot be loaded."""
