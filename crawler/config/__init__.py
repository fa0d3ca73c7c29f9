"""A TOML file, the environment and the command line become one frozen `Config`, or every mistake is named at once."""

from crawler.config.schema import AuthConfig, Config, OutputConfig, RegistryConfig, VerdictConfig
from crawler.config.sources import Flag
from crawler.config.values import STDIO

__all__ = [
    "STDIO",
    "AuthConfig",
    "Config",
    "Flag",
    "OutputConfig",
    "RegistryConfig",
    "VerdictConfig",
]
