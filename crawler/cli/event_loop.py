"""The event loop that a command runs in: uvloop where it is installed, and the garbage collector out of its way."""

import gc
from typing import Any

import anyio


def run_async(function: Any, *arguments: Any) -> Any:
    """Run an async function as the only job of this process, and return its result.

    At 512 exchanges in flight the collector's default thresholds cost 80 % of the throughput: the objects of start-up
    are frozen, and the young generation may grow to 100,000. Only commands do this: the library leaves the collector of
    its host process alone.
    """
    gc.set_threshold(100_000, 50, 100)
    gc.freeze()  # without a collection before it, which takes a tenth of the start-up, and finds 2,000 objects
    return anyio.run(function, *arguments, backend_options={"use_uvloop": _has_uvloop()})


def _has_uvloop() -> bool:
    try:
        import uvloop  # noqa: F401  (only whether it can be imported matters)
    except ImportError:
        return False
    return True
