"""An image's config (image-spec, config.md), without what may hold secrets.

Values of the environment and the history are never read: builds leave passwords in both.
"""

from typing import Any

from crawler.model.image import ImageConfig
from crawler.wire.descriptor import parse_string_map
from crawler.wire.json_fields import parse_object, parse_text
from crawler.wire.times import parse_time


def parse_image_config(body: bytes) -> ImageConfig:
    """Parse a config. The base image is left out: it needs more than the config. Raises MalformedResponse.

    A field that is absent, null or of another type is None.
    """
    return parse_config_document(parse_object(body))


def parse_config_document(document: dict[str, Any]) -> ImageConfig:
    """The same for a config that is part of another document, as Harbor's API has it."""
    execution, rootfs = _object(document.get("config")), _object(document.get("rootfs"))
    labels = execution.get("Labels")
    return ImageConfig(
        os=parse_text(document.get("os")),
        architecture=parse_text(document.get("architecture")),
        variant=parse_text(document.get("variant")),
        created_at=parse_time(document.get("created")),
        user=_string(execution.get("User")),
        entrypoint=_command(execution.get("Entrypoint")),
        cmd=_command(execution.get("Cmd")),
        working_dir=_string(execution.get("WorkingDir")),
        exposed_ports=_keys(execution.get("ExposedPorts")),
        env_names=_env_names(execution.get("Env")),
        healthcheck=_has_healthcheck(execution.get("Healthcheck")),
        labels=parse_string_map(labels) if type(labels) is dict else None,
        diff_ids=_strings(rootfs.get("diff_ids")),
    )


def _object(value: Any) -> dict[str, Any]:
    return value if type(value) is dict else {}


def _string(value: Any) -> str | None:
    """A string, which may be empty: a config that names no user differs from one that leaves it out."""
    return value if type(value) is str else None


def _strings(value: Any) -> tuple[str, ...] | None:
    """The strings of a list, with its duplicates: layers and arguments repeat."""
    return tuple(entry for entry in value if type(entry) is str) if type(value) is list else None


def _command(value: Any) -> tuple[str, ...] | None:
    # A command may be one string (moby/moby, api/types/strslice/strslice.go).
    return (value,) if type(value) is str else _strings(value)


def _keys(value: Any) -> tuple[str, ...] | None:
    return tuple(sorted(value)) if type(value) is dict else None


def _env_names(value: Any) -> tuple[str, ...] | None:
    """The names of variables, in order and without duplicates. What has no `=` may be a value, and is left out."""
    entries = _strings(value)
    if entries is None:
        return None
    names = (name for name, equals, _ in (entry.partition("=") for entry in entries) if name and equals)
    return tuple(dict.fromkeys(names))


def _has_healthcheck(value: Any) -> bool:
    """Whether a check is configured. `["NONE"]` switches off the base image's (moby/docker-image-spec, spec.md)."""
    return type(value) is dict and value.get("Test") != ["NONE"]
