"""Answers as pages of HTML and Markdown, from the templates beside this file. The one door to Jinja.

Names and messages come from registries, so every template escapes what it shows: `*.html` by itself, `*.md` with the
filter `md`. A page requests nothing and runs nothing, which `page.html` makes the browser enforce.
"""

from datetime import datetime, timedelta
from typing import Any

import jinja2

from crawler.model.words import duration_text, size_text
from crawler.questions.markdown import escape_markdown


def render_page(template: str, **values: Any) -> str:
    """A page from a template. In `*.html` every value is escaped: names and messages are untrusted.

    Filters: `md` escapes a text for Markdown; `number`, `size`, `time`, `day` and `duration` write values for people.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("crawler.questions"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(md=escape_markdown, number=number, size=size_text, time=time, day=day, duration=duration)
    return environment.get_template(template).render(**values)


def number(value: int) -> str:
    """`12,345`."""
    return f"{value:,}"


def time(value: datetime) -> str:
    """`2026-11-20 02:00 UTC`, of a time in UTC."""
    return f"{value:%Y-%m-%d %H:%M} UTC"


def day(value: datetime) -> str:
    """`2026-11-20`."""
    return f"{value:%Y-%m-%d}"


def duration(value: timedelta) -> str:
    """`12 min`."""
    return duration_text(value.total_seconds())
