"""The report as one HTML page, which requests nothing and runs nothing.

Importing this raises ConfigError where pygal, the extra `report`, is not installed.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from crawler.model.words import size_text
from crawler.questions.page import render_page
from crawler.questions.report.charts import bar_chart, line_chart, stacked_bar_chart
from crawler.questions.report.collect import Report
from crawler.questions.report.history import Growth, GrowthPoint
from crawler.questions.report.images import Images
from crawler.questions.report.teams import BytesFrom, Teams


def html_page(report: Report) -> str:
    """The page."""
    drawn = (*_of_growth(report.growth), *_of_teams(report.teams), *_of_images(report.images))
    return render_page("report.html", report=report, charts=dict(drawn))


def _of_growth(growth: Growth) -> Iterator[tuple[str, str]]:
    for what in ("repositories", "tags", "images"):
        points = _points(growth.points, what)
        partial = _points([point for point in growth.points if not point.is_complete], what)
        if len(points) > 1:
            name = f"growth-{what}"
            yield name, line_chart(name, f"{what.capitalize()} over time", points, partial, short)


def _points(points: Iterable[GrowthPoint], what: str) -> list[tuple[datetime, int]]:
    """The counts that are known, with their time."""
    counted = [(point.started_at, getattr(point, what)) for point in points]
    return [(started_at, count) for started_at, count in counted if count is not None]


def _of_teams(teams: Teams) -> Iterator[tuple[str, str]]:
    rows = [(team.name, team.size_bytes) for team in teams.shown if team.size_bytes is not None]
    if teams.rest is not None and teams.rest.size_bytes is not None:
        rows.append((f"others ({teams.others:,})", teams.rest.size_bytes))
    if rows and teams.bytes_from is not BytesFrom.NOTHING:
        yield "teams", bar_chart("teams", "Bytes by team", rows, lambda value: size_text(round(value)))


def _of_images(images: Images) -> Iterator[tuple[str, str]]:
    if images.ages_known:
        rows = [(bar.label, bar.images) for bar in images.ages]
        yield "ages", bar_chart("ages", "Images by age", rows, short)
    if images.platforms_known:
        rows = [(bar.label, bar.images) for bar in images.platforms]
        yield "platforms", bar_chart("platforms", "Images by platform", rows, short)
    if images.coverage:
        parts = [
            [kind.listed for kind in images.coverage],
            [kind.none for kind in images.coverage],
            [kind.unknown for kind in images.coverage],
        ]
        labels = [kind.label for kind in images.coverage]
        title = "Tagged images with and without a signature, an SBOM and a provenance"
        yield "coverage", stacked_bar_chart("coverage", title, labels, parts, short)


def short(value: float) -> str:
    """A number for an axis: `1.2M`."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"
