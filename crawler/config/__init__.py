"""A TOML file, the environment and flags become one frozen `Config`, or one error that lists every mistake."""

from crawler.config.layers import Flag
from crawler.config.registry_tables import AuthConfig, RegistryConfig
from crawler.config.scale import ScaleConfig
from crawler.config.schema import (
    Config,
    ImagesConfig,
    LakeConfig,
    MergeConfig,
    OutputConfig,
    PublishConfig,
    StorageConfig,
    VerdictConfig,
)
from crawler.config.values import STDIO

__all__ = [
    "STDIO",
    "AuthConfig",
    "Config",
    "Flag",
    "ImagesConfig",
    "LakeConfig",
    "MergeConfig",
    "OutputConfig",
    "PublishConfig",
    "RegistryConfig",
    "ScaleConfig",
    "StorageConfig",
    "VerdictConfig",
]
