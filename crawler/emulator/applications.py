"""Images of applications: what a build writes into the config and the manifest."""

from typing import Final

from crawler.emulator.base_images import AMD64, ARM64, WINDOWS, WINDOWS_BASE, BaseImage, BaseImages
from crawler.emulator.image_json import NO_LAYERS, VERSION, ConfigTemplate, manifest_json
from crawler.emulator.layers import Layer, descriptors, draw_layer, quoted_diff_ids
from crawler.emulator.manifests import DOCKER_LAYER, DOCKER_MANIFEST, OCI_LAYER, Json, Manifest, digest_of
from crawler.emulator.traits import Traits

PLATFORMS: Final[dict[str, Json]] = {
    "linux/amd64": AMD64,
    "linux/arm64": ARM64,
    "linux/arm/v7": {"architecture": "arm", "os": "linux", "variant": "v7"},
    "windows/amd64": WINDOWS,
}
_BUILDS_OF_A_DEPENDENCY: Final = 4  # the layer of the dependencies stays the same for so many builds
_BASE_FROM: Final = {"annotation": "annotation", "label": "label", "layers": "layers", "inherited": "layers"}
_LABEL_OF_VERSION: Final = "org.opencontainers.image.version"


class Applications:
    """Makes the images of one repository. `key` is the seed and the repository's name."""

    def __init__(self, traits: Traits, bases: BaseImages, *, key: str) -> None:
        self._traits = traits
        self._bases = bases
        self._key = key
        self._dependencies: dict[str, Layer] = {}
        self._templates: dict[tuple[str, str | None], ConfigTemplate] = {}

    def image(
        self, number: int, platform: str, *, media_type: str, version: str, built_ms: int, created_ms: int
    ) -> Manifest:
        """The image of build `number` for a platform, the same for the same arguments.

        created_ms: what the build writes as the time of the build; 0 for nothing.
        """
        base = self._base(platform, built_ms)
        below = NO_LAYERS if base is None else base.stack
        own = self._own_layers(number, platform)
        config = self._template(platform, base).fill(
            version=version,
            diff_ids=below.diff_ids + quoted_diff_ids(own),
            created_ms=created_ms,
        )
        is_docker = media_type == DOCKER_MANIFEST
        below_json, layer_type = (below.docker, DOCKER_LAYER) if is_docker else (below.oci, OCI_LAYER)
        # Docker's manifests have no annotations, so an image in that format does not name its base there.
        base_from = "layers" if is_docker and self._traits.names_base == "annotation" else self._traits.names_base
        annotations = base.claim if base is not None and base_from == "annotation" else {}
        body = manifest_json(media_type, config, below_json + descriptors(own, layer_type), annotations)
        return Manifest(
            digest=digest_of(body),
            body=body,
            media_type=media_type,
            kind="image",
            config=config,
            platform=PLATFORMS[platform],
            size_bytes=len(config.body) + below.size + own[0].size + own[1].size,
            created_ms=created_ms,
            base_digest=None if base is None else base.manifest.digest,
            base_from=None if base is None else _BASE_FROM[base_from],
        )

    def _base(self, platform: str, built_ms: int) -> BaseImage | None:
        name = WINDOWS_BASE if platform == "windows/amd64" else self._traits.base
        return self._bases.newest(name, platform, before_ms=built_ms)

    def _own_layers(self, number: int, platform: str) -> tuple[Layer, Layer]:
        key = f"{self._key}/{number // _BUILDS_OF_A_DEPENDENCY}/{platform}"
        if key not in self._dependencies:
            self._dependencies = {key: draw_layer(key)}
        return (self._dependencies[key], draw_layer(f"{self._key}/{number}/{platform}/app"))

    def _template(self, platform: str, base: BaseImage | None) -> ConfigTemplate:
        key = (platform, None if base is None else base.reference)
        if key not in self._templates:
            self._templates[key] = self._new_template(platform, base)
        return self._templates[key]

    def _new_template(self, platform: str, base: BaseImage | None) -> ConfigTemplate:
        traits = self._traits
        settings: Json = {
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", f"APP_NAME={traits.name}", *traits.secrets],
            "Entrypoint": [f"/app/{traits.team}"],
            "Cmd": ["serve", "--verbose"],
            "WorkingDir": "/app",
        }
        if traits.user is not None:
            settings["User"] = traits.user
        if labels := self._labels(base):
            settings["Labels"] = labels
        if traits.port:
            settings["ExposedPorts"] = {traits.port: {}}
        if traits.has_healthcheck:
            settings["Healthcheck"] = {"Test": ["CMD", "/app/health"], "Interval": 30_000_000_000}
        history: list[Json] = [{"created_by": "COPY . /app # buildkit", "comment": traits.name}]
        history += [{"created_by": f"ENV {secret}", "empty_layer": True} for secret in traits.secrets]
        return ConfigTemplate.of(platform=PLATFORMS[platform], settings=settings, history=history)

    def _labels(self, base: BaseImage | None) -> dict[str, str]:
        traits = self._traits
        own = {**traits.labels, _LABEL_OF_VERSION: VERSION} if traits.labels else {}
        if base is None:
            return own
        match traits.names_base:
            case "label":
                return {**own, **base.claim}
            case "inherited":
                return {**base.labels, **own}
            case _:
                return own
