"""What every row needs to be measured."""

from dataclasses import dataclass
from pathlib import Path

from support.distribution.certificates import Certificates


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """`folder` is for whatever a row leaves lying about; what takes long runs fewer times than `rounds`."""

    folder: Path
    rounds: int
    certificates: Certificates
