"""What the images of one repository have in common: its team, its base image, its labels."""

from typing import Final, NamedTuple

from crawler.emulator.base_images import WINDOWS_BASE
from crawler.emulator.draws import draw_bytes, fraction, spread

_DAY_MS: Final = 86_400_000
_LONGEST_MS: Final = 8 * 365 * _DAY_MS  # from the first image of a repository to the newest one

_PLATFORM: Final = spread({"linux/amd64": 82, "linux/arm64": 12, "windows/amd64": 6})
_LINUX_BASE: Final = spread({"debian12": 20, "alpine3": 15, "node20": 20, "jre21": 15, "static12": 15, "": 15})
_NAMES_BASE: Final = spread({"layers": 60, "annotation": 15, "label": 15, "inherited": 10})
_LABELLED: Final = spread({"all": 45, "source": 20, "team": 10, "none": 25})
_USER: Final = spread({None: 30, "": 8, "0": 6, "root": 14, "1000": 20, "nonroot": 14, "65532:65532": 8})
_HAS_SECRET: Final = spread({True: 25, False: 75})
_PORT: Final = spread({"8080/tcp": 40, "443/tcp": 10, "": 50})
_HAS_HEALTHCHECK: Final = spread({True: 15, False: 85})


class Traits(NamedTuple):
    """What is drawn by a repository's name.

    name: without the project.
    platform: of images that are no index.
    base: the base image, or "" for an image from scratch.
    names_base: where images name their base: annotation, label, or layers if nowhere. With inherited, they name none
        either, and have all labels of the base.
    labels: of every image.
    user: None if the config has none.
    secrets: assignments in the environment that no snapshot may have.
    port: the exposed port, or "".
    age_ms: of the newest image.
    interval_ms: the longest time between two images.
    """

    name: str
    team: str
    platform: str
    base: str
    names_base: str
    labels: dict[str, str]
    user: str | None
    secrets: tuple[str, ...]
    port: str
    has_healthcheck: bool
    age_ms: int
    interval_ms: int


def draw_traits(name: str, *, key: str, tags: int) -> Traits:
    drawn = draw_bytes(f"{key}/traits")
    project, _, path = name.partition("/")
    team = path.partition("/")[0]
    platform = _PLATFORM[drawn[0]]
    age = fraction(drawn, 8)
    return Traits(
        name=path or project,
        team=team,
        platform=platform,
        base=WINDOWS_BASE if platform == "windows/amd64" else _LINUX_BASE[drawn[1]],
        names_base=_NAMES_BASE[drawn[2]],
        labels=_labels(_LABELLED[drawn[3]], team=team, path=path),
        user=_USER[drawn[4]],
        secrets=(f"DB_PASSWORD=hunter2-{drawn[16:20].hex()}",) if _HAS_SECRET[drawn[5]] else (),
        port=_PORT[drawn[6]],
        has_healthcheck=_HAS_HEALTHCHECK[drawn[7]],
        # half of the repositories had an image in the last five months, one in three has nothing younger than a year
        age_ms=int(age**3 * 3 * 365 * _DAY_MS),
        interval_ms=min(int((0.05 + fraction(drawn, 10) * 30) * _DAY_MS), _LONGEST_MS // max(tags, 1)),
    )


def _labels(labelled: str, *, team: str, path: str) -> dict[str, str]:
    source = {"org.opencontainers.image.source": f"https://git.example.com/{path}"}
    owner = {"team": team, "owner": f"{team}@example.com"}
    return {"all": {**source, **owner}, "source": source, "team": owner, "none": {}}[labelled]
