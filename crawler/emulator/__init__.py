"""A Google container registry in a box: the real protocol, an inventory made from a number, no cloud."""

from crawler.emulator.inventory import Inventory, Kind, Listing, Repository
from crawler.emulator.lifecycle import Emulator, serve_until_stopped, serving
from crawler.emulator.settings import ArtifactRegistry, Settings

__all__ = [
    "ArtifactRegistry",
    "Emulator",
    "Inventory",
    "Kind",
    "Listing",
    "Repository",
    "Settings",
    "serve_until_stopped",
    "serving",
]
