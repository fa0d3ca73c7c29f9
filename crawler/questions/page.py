"""Answers as pages of HTML and Markdown, from the templates beside this file. The one door to Jinja."""

from typing import Any

import jinja2


def render_page(template: str, **values: Any) -> str:
    """A page from a template. In `*.html` every value is escaped: names and messages are untrusted."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("crawler.questions"),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
