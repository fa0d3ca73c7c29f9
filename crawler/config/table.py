"""What every table of the configuration is."""

from pydantic import BaseModel, ConfigDict


class ConfigTable(BaseModel):
    """A frozen table without unknown keys. Its errors quote no value: it may be a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
