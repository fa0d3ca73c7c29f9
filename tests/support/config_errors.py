"""Load a configuration, and look at its errors or at one of its values."""

import json
from typing import Any

import pytest

from crawler.config import Config
from crawler.errors import ConfigError

PREFIX = "REGISTRY_CRAWLER_"
SECRET = "hunter2-and-more"


def config_errors(*arguments: Any, **options: Any) -> tuple[str, ...]:
    """Load a configuration that has errors; return their lines, of which there is at least one."""
    with pytest.raises(ConfigError) as caught:
        Config.load(*arguments, **options)
    assert caught.value.mistakes
    assert str(caught.value).splitlines() == list(caught.value.mistakes)
    return caught.value.mistakes


def config_error(*arguments: Any, **options: Any) -> str:
    """Load a configuration that has one error; return its line."""
    (error,) = config_errors(*arguments, **options)
    return error


def load_errors(*arguments: Any, **options: Any) -> tuple[str, ...]:
    """Load a configuration; return its errors, or () where it is valid and can be written to _run.json."""
    try:
        config = Config.load(*arguments, **options)
    except ConfigError as exc:
        return exc.mistakes or ("an error without a message\n",)
    for registry in config.registry:
        json.dumps(config.effective(registry))
    return ()


def value_of(config: Config, key: str) -> Any:
    """The value of a dotted key; of `registry`, that of the first one."""
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part)
        value = value[0] if part == "registry" else value
    return value
