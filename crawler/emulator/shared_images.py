"""Images that several repositories hold: the same digest under different names."""

from typing import Final, NamedTuple

from crawler.emulator.applications import Applications
from crawler.emulator.base_images import BaseImages
from crawler.emulator.draws import draw_bytes, spread
from crawler.emulator.manifests import DOCKER_MANIFEST, Manifest
from crawler.emulator.traits import draw_traits

_IMAGES: Final = 8
_AGE_STEP_MS: Final = 40 * 86_400_000
_HOLDS_ONE: Final = spread({True: 6, False: 94})


class SharedImage(NamedTuple):
    """A shared image, and which build of a repository it is."""

    manifest: Manifest
    number: int


class SharedImages:
    """The shared images of a registry."""

    def __init__(self, bases: BaseImages, *, seed: str, project: str, now_ms: int) -> None:
        name = f"{project}/tools/sidecar"
        traits = draw_traits(name, key=f"{seed}/shared", tags=1)
        applications = Applications(traits, bases, key=f"{seed}/shared")
        self._manifests = [
            applications.image(
                number,
                "linux/amd64",
                media_type=DOCKER_MANIFEST,
                version=f"1.{number}",
                built_ms=now_ms - (number + 1) * _AGE_STEP_MS,
                created_ms=now_ms - (number + 1) * _AGE_STEP_MS,
            )
            for number in range(_IMAGES)
        ]

    def of_repository(self, key: str) -> SharedImage | None:
        """The shared image of a repository, if it has one. `key` is the seed and the repository's name."""
        drawn = draw_bytes(f"{key}/shared")
        if not _HOLDS_ONE[drawn[0]]:
            return None
        return SharedImage(manifest=self._manifests[drawn[1] % _IMAGES], number=drawn[2] % 2)
