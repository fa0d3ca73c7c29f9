"""`python tests/perf`: the command."""

import sys
from pathlib import Path

# as pytest's pythonpath has it, so that the tests' own authority can be imported, and nothing here hides a library
sys.path[0] = str(Path(__file__).resolve().parents[1])

from perf.command import main  # noqa: E402

sys.exit(main())
