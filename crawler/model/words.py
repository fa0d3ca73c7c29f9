"""Numbers of things, bytes and seconds, in words."""

from typing import Final

_SIZE_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")


def repositories(count: int) -> str:
    """A number of repositories, in words."""
    return f"{count:,} {'repository' if count == 1 else 'repositories'}"


def size_text(size: int) -> str:
    """Bytes in decimal units with three digits, as registries bill them: `1 byte`, `12 kB`, `1.23 GB`."""
    unit = 0
    scaled = float(size)
    while scaled >= 999.5 and unit < len(_SIZE_UNITS) - 1:
        scaled, unit = scaled / 1000, unit + 1
    return f"{scaled:.3g} {_SIZE_UNITS[unit]}" if unit else f"{size:,} {'byte' if size == 1 else 'bytes'}"


def duration_text(seconds: float) -> str:
    """How long something takes: `2.6 s`, `45 s`, `12 min`, `2 h 05 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{60 * hours + minutes} min" if hours < 2 else f"{hours:,} h {minutes:02} min"
