"""i: what a compressed snapshot adds to a crawl's CPU."""

from functools import partial
from typing import Final

from perf.bench import Bench
from perf.crawl import crawl
from perf.measure import in_turns
from perf.server import Nginx, Site, serving
from perf.table import AtMost, Row, Unmeasured, ratio

REPOSITORIES: Final = 5000
CONCURRENCY: Final = 32
_SITES: Final = tuple(Site(repositories=repositories, listing="google") for repositories in (1, REPOSITORIES))


def rows(bench: Bench) -> list[Row | Unmeasured]:
    with serving(bench.folder, _SITES) as nginx:
        taken = in_turns(bench.rounds, {how: partial(_cpu_s, bench, nginx, how) for how in ("none", "zstd")})
    what = "CPU of a crawl with zstd ÷ without: Google's listing of 4 KB"
    return [ratio("i", what, taken["zstd"], taken["none"], AtMost(1.1))]


def _cpu_s(bench: Bench, nginx: Nginx, compression: str) -> float:
    setting = {"REGISTRY_CRAWLER_OUTPUT__COMPRESSION": compression}  # it has no flag
    one, whole = (
        crawl(
            bench.folder,
            nginx.host(site),
            "--auth=anonymous",
            repositories=site.repositories,
            concurrency=CONCURRENCY,
            env=setting,
        )
        for site in _SITES
    )
    return whole.usage.cpu_s - one.usage.cpu_s
