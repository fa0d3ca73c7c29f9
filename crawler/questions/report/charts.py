"""Numbers as inline SVG, drawn by pygal. The one door to pygal.

pygal's picture has scripts, fonts, colours and ids of its own. Only its shapes and texts are kept, with classes that
the page's style sheet colours for light and dark; so a chart holds nothing that runs, loads, or repeats an id.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any, Final
from xml.etree import ElementTree as ET

from crawler.errors import ConfigError

try:
    import pygal  # type: ignore[import-untyped]
    from pygal.style import Style  # type: ignore[import-untyped]
except ImportError:
    message = "the page's charts need pygal: pip install 'registry-crawler[report]', or use --format markdown"
    raise ConfigError([message]) from None

_BARS_WIDTH: Final = 400
_LINE_WIDTH: Final = 340
"""In pixels, about as wide as a chart is shown, so that its texts are as large as those of the page."""

_FONT_SIZE: Final = 14
_LINE_HEIGHT: Final = 170
_ROW_HEIGHT: Final = 28
_AXIS_HEIGHT: Final = 36
_LONGEST_LABEL: Final = 16
_STEPS: Final = 4

_KEPT: Final[Mapping[str, tuple[str, ...]]] = {
    "svg": (),
    "g": ("class", "transform"),
    "path": ("class", "d"),
    "rect": ("class", "x", "y", "width", "height"),
    "circle": ("class", "cx", "cy", "r"),
    "text": ("class", "x", "y"),
}
"""What is kept of pygal's picture. An element that is not here is left out, with all that is in it."""

_LEFT_OUT: Final = frozenset({"background", "titles", "plot tooltip-overlay"})
"""Classes of elements that would cover the page, or are for scripts."""

_LONG_FRACTION: Final = re.compile(r"(\.\d)\d+")

Dates = Sequence[tuple[datetime, int]]


def bar_chart(name: str, title: str, rows: Sequence[tuple[str, int]], written: Callable[[float], str]) -> str:
    """Bars from the left, the first row on top. `written` writes a number at the axis."""
    return stacked_bar_chart(name, title, [label for label, _ in rows], [[value for _, value in rows]], written)


def stacked_bar_chart(
    name: str,
    title: str,
    labels: Sequence[str],
    parts: Sequence[Sequence[int]],
    written: Callable[[float], str],
) -> str:
    """A bar for each label. Each of `parts` has a number for each label, and a colour: `color-0`, `color-1`, …"""
    chart = pygal.HorizontalStackedBar(
        **_options(written, _BARS_WIDTH, _ROW_HEIGHT * len(labels) + _AXIS_HEIGHT),
        x_labels=[_shortened(label) for label in reversed(labels)],  # pygal begins at the bottom
        range=(0, max(1, *map(sum, zip(*parts, strict=True)))),
    )
    for number, values in enumerate(parts):
        chart.add(str(number), list(reversed(values)))
    return _inline_svg(name, title, chart)


def line_chart(name: str, title: str, points: Dates, marked: Dates, written: Callable[[float], str]) -> str:
    """A line over time, which begins at zero. The points that are `marked` have a dot."""
    first, last = points[0][0], points[-1][0]
    chart = pygal.DateTimeLine(
        **_options(written, _LINE_WIDTH, _LINE_HEIGHT),
        margin_left=12,
        margin_right=44,  # half of the last date
        x_labels=[first, last],
        x_value_formatter=lambda moment: f"{moment:%Y-%m-%d}",
        range=(0, max(1, *(value for _, value in points))),
    )
    chart.add("0", list(points), show_dots=False)
    chart.add("1", list(marked), stroke=False, dots_size=5)
    return _inline_svg(name, title, chart)


def _options(written: Callable[[float], str], width: int, height: int) -> dict[str, Any]:
    font_sizes = dict.fromkeys(("label_font_size", "major_label_font_size"), _FONT_SIZE)
    return {
        "width": width,
        "height": height,
        "style": Style(**font_sizes),
        "value_formatter": written,
        "show_legend": False,
        "margin": 6,
        "spacing": 6,
        "max_scale": _STEPS,
        "truncate_label": -1,
        "js": [],
        "css": [],
    }


def _shortened(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"


def _inline_svg(name: str, title: str, chart: Any) -> str:
    """The shapes of a chart as SVG within HTML, with `title` for those who do not see it. `name` makes its id."""
    drawn = ET.fromstring(chart.render(is_unicode=True, disable_xml_declaration=True))  # noqa: S314  (pygal's own)
    body = "".join(_kept(child) for child in drawn)
    return (
        f'<svg class="chart" role="img" aria-labelledby="chart-{name}" viewBox="{drawn.get("viewBox")}">'
        f'<title id="chart-{name}">{escape(title)}</title>{body}</svg>'
    )


def _kept(element: ET.Element) -> str:
    tag = element.tag.rpartition("}")[2]
    if tag not in _KEPT or element.get("class") in _LEFT_OUT:
        return ""
    body = escape(element.text or "") + "".join(_kept(child) for child in element)
    if tag == "g" and not body:
        return ""
    attributes = [f' {key}="{_attribute(key, element.attrib[key])}"' for key in _KEPT[tag] if element.get(key)]
    return f"<{tag}{''.join(attributes)}>{body}</{tag}>"


def _attribute(key: str, value: str) -> str:
    """Coordinates to a tenth of a pixel."""
    return escape(value if key == "class" else _LONG_FRACTION.sub(r"\1", value))
