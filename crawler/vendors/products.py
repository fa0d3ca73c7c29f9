"""Which product has an API: a line for each."""

from collections.abc import Callable, Mapping
from typing import Final

from crawler.vendors.access import ApiAccess
from crawler.vendors.acr import open_acr
from crawler.vendors.api import VendorApi
from crawler.vendors.artifactory import open_artifactory
from crawler.vendors.docker_hub import open_docker_hub
from crawler.vendors.ecr import open_ecr
from crawler.vendors.ecr_public import open_ecr_public
from crawler.vendors.gitea import open_gitea
from crawler.vendors.github import open_github
from crawler.vendors.gitlab import open_gitlab
from crawler.vendors.harbor import open_harbor
from crawler.vendors.nexus import open_nexus
from crawler.vendors.quay import open_quay
from crawler.vendors.zot import open_zot

PRODUCTS: Final[Mapping[str, Callable[[ApiAccess], VendorApi]]] = {
    "docker-hub": open_docker_hub,
    "ghcr": open_github,
    "ecr": open_ecr,
    "ecr-public": open_ecr_public,
    "acr": open_acr,
    "quay": open_quay,
    "harbor": open_harbor,
    "gitlab": open_gitlab,
    "artifactory": open_artifactory,
    "nexus": open_nexus,
    "zot": open_zot,
    "gitea": open_gitea,
}
"""By the kind of `profiles/products.py`, in its order."""
