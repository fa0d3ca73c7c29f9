"""A crawl under the profiler. A program: `python -m perf.profiled CONFIG`, which says how many calls it made."""

import argparse
import cProfile
import pstats
from pathlib import Path

import anyio

import crawler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    config = crawler.Config.load(parser.parse_args().config)
    profile = cProfile.Profile()
    profile.runcall(anyio.run, crawler.crawl, config, backend_options={"use_uvloop": True})
    print(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
