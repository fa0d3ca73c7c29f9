"""An emulated Google container registry: the real protocol, a generated inventory, no cloud account.

The emulator imports nothing of the crawler, so that one misreading of the protocol cannot make both sides agree.
The same `Settings` always give the same inventory and the same sequence of faults.
"""

from crawler.emulator.facts import ImageFacts
from crawler.emulator.inventory import Inventory, Kind, Listing, Repository
from crawler.emulator.lifecycle import Emulator, serve_until_stopped, serving
from crawler.emulator.settings import ArtifactRegistry, Settings

__all__ = [
    "ArtifactRegistry",
    "Emulator",
    "ImageFacts",
    "Inventory",
    "Kind",
    "Listing",
    "Repository",
    "Settings",
    "serve_until_stopped",
    "serving",
]
