"""`python tests/perf` runs the benchmark."""

import sys
from pathlib import Path

# Like pytest's pythonpath: tests/support can be imported, and no module of tests/perf hides a library.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from perf.command import main  # noqa: E402

sys.exit(main())
