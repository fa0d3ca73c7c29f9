"""What to do about a run that ended without a snapshot, where its error alone does not say it."""

from crawler.config import RegistryConfig
from crawler.errors import CrawlerError, Denied


def hint(of: RegistryConfig, error: CrawlerError) -> str:  # noqa: ARG001  (hints depend on the kind of registry)
    """One hint, in words for the operator and without parentheses; "" where there is none that fits."""
    if isinstance(error, Denied):
        return "check --auth; --repositories-from does without the catalog"
    return ""
