"""Which product has an API: a line for each."""

from collections.abc import Callable, Mapping
from typing import Final

from crawler.vendors.access import ApiAccess
from crawler.vendors.api import VendorApi
from crawler.vendors.docker_hub import open_docker_hub
from crawler.vendors.harbor import open_harbor
from crawler.vendors.quay import open_quay

PRODUCTS: Final[Mapping[str, Callable[[ApiAccess], VendorApi]]] = {
    "docker-hub": open_docker_hub,
    "harbor": open_harbor,
    "quay": open_quay,
}
"""By the kind of `profiles.py`. Raises CredentialsError where the API's credentials cannot be loaded."""
