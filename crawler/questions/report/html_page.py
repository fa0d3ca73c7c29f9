"""The report as one HTML page, which requests nothing and runs nothing."""

from collections.abc import Iterator

from crawler.questions.page import render_page, size
from crawler.questions.report.charts import bar_chart, line_chart, stacked_bar_chart
from crawler.questions.report.collect import Report
from crawler.questions.report.history import Growth, GrowthPoint
from crawler.questions.report.images import Images
from crawler.questions.report.teams import Teams


def html_page(report: Report) -> str:
    """The page. Raises ConfigError where pygal, the extra `report`, is not installed."""
    charts = {**_growth(report.growth), **dict(_of_teams(report.teams)), **dict(_of_images(report.images))}
    return render_page("report.html", report=report, charts=charts)


def _growth(growth: Growth) -> dict[str, str]:
    charts = {}
    for what in ("repositories", "tags", "images"):
        points = [(point.started_at, count) for point in growth.points if (count := _count(point, what)) is not None]
        partial = [
            (point.started_at, count)
            for point in growth.points
            if not point.is_complete and (count := _count(point, what)) is not None
        ]
        if len(points) > 1:
            charts[f"growth-{what}"] = line_chart(f"growth-{what}", f"{what.capitalize()} over time", points, partial, short)
    return charts


def _count(point: GrowthPoint, what: str) -> int | None:
    counts = {"repositories": point.repositories, "tags": point.tags, "images": point.images}
    return counts[what]


def _of_teams(teams: Teams) -> Iterator[tuple[str, str]]:
    rows = [(team.name, team.size_bytes) for team in teams.shown if team.size_bytes is not None]
    if teams.rest is not None and teams.rest.size_bytes is not None:
        rows.append((f"{teams.others:,} others", teams.rest.size_bytes))
    if rows:
        yield "teams", bar_chart("teams", "Bytes by team", rows, lambda value: size(round(value)))


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
            [kind.not_listed for kind in images.coverage],
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
