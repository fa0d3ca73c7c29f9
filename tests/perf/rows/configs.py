"""m: the config of every image of CNCF's distribution by skopeo, beside a crawl with an empty cache and a full one."""

import re
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from anyio.from_thread import start_blocking_portal
from support.distribution import Content, open_registry, push_content
from support.distribution.content import image, image_config

from perf.bench import Bench
from perf.crawl import crawl
from perf.inventory import name
from perf.measure import BenchBroken, Usage, in_turns, run
from perf.programs import found
from perf.table import Row, Unit, Unmeasured

REPOSITORIES: Final = 40
TAGS: Final = 10
CONCURRENCY: Final = 16
NIGHTS: Final = ("empty cache", "full cache")

_LABEL: Final = "org.example.image"
_READ: Final = re.compile(rf'"{re.escape(_LABEL)}":\s*"([^"]+)"')

_SKOPEO: Final = """\
xargs -P{concurrency} -I NAME skopeo list-tags --tls-verify=false docker://{host}/NAME |
    sed -n 's/^ *"Repository": "\\(.*\\)",$/\\1/p; s/^ *"\\(v[0-9]*\\)",*$/\\1/p' |
    awk '/\\// {{ repository = $0; next }} {{ print repository ":" $0 }}' |
    xargs -P{concurrency} -I IMAGE skopeo inspect --config --tls-verify=false docker://IMAGE
"""


def rows(bench: Bench) -> list[Row] | list[Unmeasured]:
    missing = [program for program in ("skopeo", "docker-registry") if found(program) is None]
    if missing:
        what = "the config of every image by skopeo ÷ by a crawl"
        return [Unmeasured(letter="m", what=what, why=f"not installed: {', '.join(missing)}")]
    folder = Path(mkdtemp(prefix="registry-", dir=bench.folder))
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_registry(folder)) as registry:
        portal.call(push_content, registry, _content())
        runs = {"skopeo": partial(_skopeo, registry.host, folder), "ours": partial(_nights, bench, registry.host)}
        taken = in_turns(min(bench.rounds, 2), runs)
    skopeo = [usage for (usage,) in taken["skopeo"]]
    given = []
    for night, ours in zip(NIGHTS, zip(*taken["ours"], strict=True), strict=True):
        both = list(zip(skopeo, ours, strict=True))
        given += [
            _row(f"wall, {night}", [theirs.wall_s / own.wall_s for theirs, own in both]),
            _row(f"CPU, {night}", [theirs.cpu_s / own.cpu_s for theirs, own in both]),
        ]
    return given


def _row(what: str, figures: list[float]) -> Row:
    images = f"the configs of {REPOSITORIES * TAGS} images of docker-registry"
    what = f"{images} by skopeo, xargs -P{CONCURRENCY}, ÷ by a crawl: {what}"
    return Row(letter="m", what=what, unit=Unit.RATIO, figures=figures)


def _content() -> dict[str, dict[str, Content]]:
    return {
        repository: {tag: _image(f"{repository}:{tag}") for tag in (f"v{number}" for number in range(TAGS))}
        for repository in map(name, range(REPOSITORIES))
    }


def _image(reference: str) -> Content:
    """Each has a config of its own, of the size of a usual one."""
    history = [f"RUN /bin/sh -c make step-{number} # buildkit" for number in range(16)]
    config = image_config(history=history, User="1000:1000", Entrypoint=["/bin/service"], Labels={_LABEL: reference})
    return image(config)


def _skopeo(host: str, folder: Path) -> list[Usage]:
    names = folder / "names.txt"
    names.write_text("".join(f"{name(number)}\n" for number in range(REPOSITORIES)))
    usage = run(["sh", "-c", _SKOPEO.format(host=host, concurrency=CONCURRENCY)], stdin=names)
    read = len(set(_READ.findall(usage.output)))
    if read != REPOSITORIES * TAGS:
        raise BenchBroken(f"skopeo read {read} of {REPOSITORIES * TAGS} configs")
    return [usage]


def _nights(bench: Bench, host: str) -> list[Usage]:
    """A crawl that fills the cache, and one that finds everything there. Incomplete, either would break the bench."""
    cache = Path(mkdtemp(prefix="cache-", dir=bench.folder)) / "digests.sqlite"
    options = ("--auth=anonymous", "--depth=configs", f"--cache={cache}")
    return [
        crawl(bench.folder, host, *options, repositories=REPOSITORIES, concurrency=CONCURRENCY).usage for _ in NIGHTS
    ]
