"""The report as Markdown, for a ticket or a wiki: the numbers of the HTML page, without its charts."""

from crawler.questions.page import render_page
from crawler.questions.report.collect import Report


def markdown_page(report: Report) -> str:
    """The page."""
    return render_page("report.md", report=report)
