"""What is special about each registry product, where it differs from the distribution specification: one table.

To support another registry: add a row to `PROFILES` in `products.py` with a source for each difference, and a script of
its behaviour to `tests/registries/`. The table holds data only. Code follows where data cannot express the difference.

Sources are `owner/name#n` for an issue or pull request on GitHub, `owner/name path` for a file there, or a URL.
"""

from crawler.profiles.products import (
    API_QUOTA,
    DISTRIBUTION,
    MAX_CONCURRENT_LISTS,
    PROFILES,
    PROFILES_BY_KIND,
    profile_for,
)
from crawler.profiles.profile import (
    ApiProfile,
    CatalogAuth,
    DiscoveryMethod,
    RegistryProfile,
    google_project,
    host_matches,
)

__all__ = [
    "API_QUOTA",
    "DISTRIBUTION",
    "MAX_CONCURRENT_LISTS",
    "PROFILES",
    "PROFILES_BY_KIND",
    "ApiProfile",
    "CatalogAuth",
    "DiscoveryMethod",
    "RegistryProfile",
    "google_project",
    "host_matches",
    "profile_for",
]
