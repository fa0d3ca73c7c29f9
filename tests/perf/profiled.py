"""Run a crawl under the profiler: `python -m perf.profiled CONFIG` prints the number of function calls."""

import argparse
import cProfile
import pstats
from functools import partial
from pathlib import Path

import anyio

import crawler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    config = crawler.Config.load(parser.parse_args().config)
    profile = cProfile.Profile()
    profile.runcall(partial(anyio.run, crawler.crawl, config, backend_options={"use_uvloop": True}))
    print(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
