"""Answers as pages of HTML and Markdown, from the templates beside this file. The one door to Jinja.

Names and messages come from registries, so every template escapes what it shows: `*.html` by itself, `*.md` with the
filter `md`. A page requests nothing and runs nothing, which `page.html` makes the browser enforce.
"""

from datetime import datetime
from typing import Any, Final

import jinja2

from crawler.questions.markdown import escape_markdown

_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")


def render_page(template: str, **values: Any) -> str:
    """A page from a template. In `*.html` every value is escaped: names and messages are untrusted.

    Filters: `md` escapes a text for Markdown, `number` and `size` write numbers and bytes, `time` and `day` times.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("crawler.questions"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(md=escape_markdown, number=number, size=size, time=time, day=day)
    return environment.get_template(template).render(**values)


def number(value: int) -> str:
    """`12,345`."""
    return f"{value:,}"


def size(value: int) -> str:
    """Bytes in decimal units with three digits, as registries bill them: `1.23 GB`."""
    unit = 0
    scaled = float(value)
    while scaled >= 999.5 and unit < len(_UNITS) - 1:
        scaled, unit = scaled / 1000, unit + 1
    return f"{scaled:.3g} {_UNITS[unit]}" if unit else f"{value:,} {'byte' if value == 1 else 'bytes'}"


def time(value: datetime) -> str:
    """`2026-11-20 02:00 UTC`, of a time in UTC."""
    return f"{value:%Y-%m-%d %H:%M} UTC"


def day(value: datetime) -> str:
    """`2026-11-20`."""
    return f"{value:%Y-%m-%d}"
