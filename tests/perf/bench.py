"""The inputs of every measurement."""

from dataclasses import dataclass
from pathlib import Path

from support.distribution.certificates import Certificates


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """`folder` is for temporary files. `rounds` is how often to measure; slow measurements run less often."""

    folder: Path
    rounds: int
    certificates: Certificates
