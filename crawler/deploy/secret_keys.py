"""Which keys of a configuration hold a secret, and where is one set?"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from crawler.config import Config
from crawler.config.environment import CREDENTIAL_KEYS, ENVIRONMENT_PREFIX
from crawler.config.keys import table_model, value_at


def _secret_keys(table: Any) -> Iterator[str]:
    """The keys that the schema never writes down, or whose type hides their value; dotted."""
    for name, field in table.model_fields.items():
        inner = table_model(field)
        if inner is not None:
            yield from (f"{name}.{key}" for key in _secret_keys(inner))
        elif field.exclude or "SecretStr" in repr(field.annotation):
            yield name


SECRET_KEYS: Final = tuple(_secret_keys(Config))

_SHORT_VARIABLES: Final = {f"{ENVIRONMENT_PREFIX}{key.upper()}": f"registry.auth.{key}" for key in CREDENTIAL_KEYS}


def is_secret_variable(name: str) -> bool:
    """Whether a REGISTRY_CRAWLER_ variable sets a key that holds a secret."""
    long_key = name.upper().removeprefix(ENVIRONMENT_PREFIX).lower().replace("__", ".")
    return _SHORT_VARIABLES.get(name.upper(), long_key) in SECRET_KEYS


def secrets_in(document: Mapping[str, Any]) -> list[str]:
    """The keys that hold a secret and are set in a file's document."""
    return [key for key in SECRET_KEYS if any(value_at(tree, key.split(".")) is not None for tree in _trees(document))]


def _trees(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The document once for each of its registries, which is a table there and no list."""
    registries = document.get("registry", [])
    tables = registries if isinstance(registries, list) else [registries]
    return [{**document, "registry": table} for table in [*tables, {}]]
