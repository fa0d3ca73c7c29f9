"""Which product has an API: a line for each."""

from collections.abc import Callable, Mapping
from typing import Final

from crawler.vendors.access import ApiAccess
from crawler.vendors.api import VendorApi
from crawler.vendors.artifactory import open_artifactory
from crawler.vendors.docker_hub import open_docker_hub
from crawler.vendors.gitea import open_gitea
from crawler.vendors.nexus import open_nexus

PRODUCTS: Final[Mapping[str, Callable[[ApiAccess], VendorApi]]] = {
    "artifactory": open_artifactory,
    "docker-hub": open_docker_hub,
    "gitea": open_gitea,
    "nexus": open_nexus,
}
"""By the kind of `profiles.py`. Raises CredentialsError where the API's credentials cannot be loaded."""
