"""The report as Markdown, for a ticket or a wiki: the numbers of the HTML page, without its charts."""

import re
from typing import Final

from crawler.questions.page import render_page
from crawler.questions.report.collect import Report

_BLANK_LINES: Final = re.compile(r"\n{3,}")


def markdown_page(report: Report) -> str:
    """The page."""
    return _BLANK_LINES.sub("\n\n", render_page("report.md", report=report)).rstrip("\n") + "\n"
