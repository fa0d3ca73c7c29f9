"""What every table of the configuration is."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ConfigTable(BaseModel):
    """A frozen table without unknown keys. Its errors quote no value: it may be a secret.

    Its validator is built when it is first used, and a table within another one is validated by that one's: of all the
    tables, a command builds the validator of the one that it loads.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


def optional_table() -> Any:
    """The default of a table that may be left out: all of its keys have defaults.

    An empty table, and no instance: that would have to be built when the module is imported.
    """
    return Field(default={}, validate_default=True)
