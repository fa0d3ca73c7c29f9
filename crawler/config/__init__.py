"""A TOML file, the environment and the command line become one frozen `Config`, or every mistake is named at once."""

from crawler.config.schema import STANDARD_STREAM, AuthConfig, Config, OutputConfig, RegistryConfig, VerdictConfig
from crawler.config.sources import Flag

__all__ = [
    "STANDARD_STREAM",
    "AuthConfig",
    "Config",
    "Flag",
    "OutputConfig",
    "RegistryConfig",
    "VerdictConfig",
]
