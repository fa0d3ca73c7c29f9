"""`registry-crawler plan`: what a crawl with the same options would cost. It takes no snapshot, and writes nothing."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from crawler.cli import logs
from crawler.cli.error_output import exit_on_error
from crawler.cli.exit_codes import COMPLETE, COULD_NOT_RUN
from crawler.cli.process import import_aiohttp
from crawler.cli.shared_options import TextOrJson
from crawler.cli.streams import data_output
from crawler.model.words import duration_text, size_text
from crawler.untrusted_text import printable

if TYPE_CHECKING:
    from crawler.config import Config
    from crawler.forecast.forecast import Forecast, Pulls


PlanFormatOption = Annotated[
    TextOrJson, typer.Option("--format", help="How the plan is printed; json: an object on a line for each target")
]


def plan(settings: "Config", form: PlanFormatOption = TextOrJson.TEXT) -> None:
    """Say what a crawl with the same options would cost: exchanges, time, bytes and pulls. It takes no snapshot.

    Takes every option of crawl. The forecast comes from the target's last complete snapshot; without one, from twenty
    or more repositories that are listed for it. It makes about 100 exchanges at most with each registry, and writes
    nothing. With --shard it says what this shard would cost, at its part of the rate.

    Exit code: 0 done, 1 a registry could not be asked, 2 bad usage or configuration.

    \b
    Examples:
      registry-crawler plan gcr.io/my-project --key-file key.json
      registry-crawler plan localhost:5000 --depth configs --format json
    """  # noqa: D301  (typer keeps the line breaks of a paragraph after \b)
    import_aiohttp()
    from crawler.cli.event_loop import run_async
    from crawler.cli.open_files import fit_concurrency

    with exit_on_error():
        raise typer.Exit(run_async(plan_registries, fit_concurrency(settings, logs.notice), form))


async def plan_registries(config: "Config", form: TextOrJson) -> int:
    """Print the forecast of each registry; return the exit code. A registry that does not answer stops no other one.

    Raises OutputClosed, and SnapshotError where standard output takes no more.
    """
    from crawler.errors import CrawlerError
    from crawler.forecast.forecast import make_forecast
    from crawler.run.hints import hint
    from crawler.run.plan import SharedRateLimits

    rate_limits, code = SharedRateLimits(), COMPLETE
    for registry in config.registry:
        try:
            forecast = await make_forecast(config, registry, rate_limits)
        except CrawlerError as exc:
            advice = hint(registry, exc)
            message = f"{registry.target}: {exc}{f' ({advice})' if advice else ''}"
            logs.notice(message, logging.ERROR, target=str(registry.target))
            code = COULD_NOT_RUN
            continue
        with data_output() as out:
            print(_RENDERERS[form](forecast), file=out)
    return code


def render_json(forecast: "Forecast") -> str:
    """One object, whose keys are only ever added."""
    document = {
        "target": forecast.target,
        "registry": forecast.registry,
        "kind": forecast.kind,
        "identity": forecast.identity,
        "depth": forecast.depth,
        "referrers": forecast.referrers,
        "shard": forecast.shard,
        "exchanges": {
            "total": forecast.exchanges,
            "least": forecast.least,
            "most": forecast.most,
            "is_lower_bound": forecast.is_lower_bound,
            "by_kind": forecast.by_kind,
        },
        "seconds": {
            "expected": round(forecast.duration.seconds, 1),
            "least": round(forecast.least_s, 1),
            "most": round(forecast.most_s, 1),
            "limited_by": forecast.duration.limited_by,
        },
        "pace": forecast.pace,
        "bytes": forecast.bytes,
        "pulls": None if forecast.pulls is None else {**asdict(forecast.pulls), "share": forecast.pulls.share},
        "cheaper": forecast.cheaper,
        "evidence": forecast.evidence,
        "notes": forecast.notes,
        "asked": {"total": sum(forecast.asked.values()), "by_kind": forecast.asked},
    }
    return orjson.dumps(document).decode()


def render_text(forecast: "Forecast") -> str:
    """The forecast for people, in the lines of a crawl's summary."""
    shard = "" if forecast.shard is None else f", shard {forecast.shard}"
    lines = [f"PLAN: {forecast.target}, depth {forecast.depth}, referrers {forecast.referrers}{shard}"]
    rows = [
        ("identity", forecast.identity),
        ("exchanges", _exchanges_text(forecast)),
        ("kinds", _kinds_text(forecast.by_kind)),
        ("time", _time_text(forecast)),
        ("bytes", size_text(forecast.bytes)),
        *_pull_rows(forecast.pulls),
        *(("cheaper", way) for way in forecast.cheaper),
        *(("evidence", line) for line in forecast.evidence),
        *(("note", line) for line in forecast.notes),
        ("asked", f"{sum(forecast.asked.values()):,} exchanges for this plan: {_kinds_text(forecast.asked)}"),
    ]
    return "\n".join([*lines, *(f"  {name:<12} {printable(text)}" for name, text in rows)])


def _exchanges_text(forecast: "Forecast") -> str:
    if forecast.is_lower_bound:
        found = "" if forecast.least == forecast.exchanges else f", and {forecast.exchanges:,} for what was found"
        return f"at least {forecast.least:,}{found}"
    if forecast.least == forecast.most:
        return f"{forecast.exchanges:,}"
    return f"{forecast.exchanges:,}, between {forecast.least:,} and {forecast.most:,}"


def _kinds_text(by_kind: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in by_kind.items())


def _time_text(forecast: "Forecast") -> str:
    seconds = duration_text(forecast.duration.seconds)
    between, limit = "", f"; limited by {forecast.duration.limited_by}"
    if forecast.is_lower_bound:
        return f"at least {duration_text(forecast.least_s)}{limit}"
    if forecast.least != forecast.most:
        between = f", between {duration_text(forecast.least_s)} and {duration_text(forecast.most_s)}"
    return f"about {seconds}{between}{limit}"


def _pull_rows(pulls: "Pulls | None") -> Sequence[tuple[str, str]]:
    if pulls is None:
        return ()
    text = f"{pulls.needed:,}"
    if pulls.share is not None:
        text += f", {pulls.share:.0%} of the limit of {pulls.limit:,}"
    text += (
        "; the registry does not say how many are left"
        if pulls.remaining is None
        else f"; {pulls.remaining:,} are left"
    )
    return (("pulls", text),)


_RENDERERS: dict[TextOrJson, Any] = {TextOrJson.TEXT: render_text, TextOrJson.JSON: render_json}
