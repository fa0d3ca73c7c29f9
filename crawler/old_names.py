"""Attributes under the names that they had in 0.1, for one release."""

import warnings
from typing import Any


class OldName:
    """Reads another attribute of the same object, and warns that the name has changed. Goes in 0.3."""

    def __init__(self, new_name: str) -> None:
        self._new_name = new_name

    def __set_name__(self, owner: type, name: str) -> None:
        self._message = f"{owner.__name__}.{name} is now {owner.__name__}.{self._new_name}"

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None:
            return self
        warnings.warn(self._message, DeprecationWarning, stacklevel=2)
        return getattr(instance, self._new_name)
