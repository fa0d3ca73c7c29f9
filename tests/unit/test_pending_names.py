"""Pending names: a source that waits for the results of its names gets a result for each, whatever the caller does."""

import anyio
import pytest
from support.scripted import catalog_path, document, on, plain_registry, serve
from support.scripted_google import IMAGE, crawl, node, repository
from support.snapshots import read_snapshot

import crawler
from crawler.discovery.fallback import FallbackDiscovery
from crawler.discovery.name_list import ListDiscovery
from crawler.discovery.pending import UNREPORTED, ReportedName
from crawler.discovery.walk import WalkDiscovery
from crawler.errors import CrawlerError, Missing
from crawler.model.record import Listing
from crawler.profiles import PROFILES_BY_KIND

ROOT = Listing(tags=(), children=("team",))
TEAM = Listing(tags=(), children=("app", "lib"))
TAGGED = Listing(tags=("1",))


def walk() -> WalkDiscovery:
    return WalkDiscovery("acme", PROFILES_BY_KIND["gcr"])


async def run(discovery, listings, *, forgotten=()):
    """Read the discovery to its end, and list its names: each has its listing, or its context ends without a result."""
    names = []
    with anyio.fail_after(10):
        async for page in discovery.pages():
            for name in page:
                names.append(name)
                with discovery.pending(name) as pending:
                    if name not in forgotten:
                        pending.resolve(listings[name])
    return names


class Results:
    """The results that a source gets."""

    def __init__(self, *, is_repository: bool = True) -> None:
        self.received = []
        self._is_repository = is_repository

    def pending(self, name: str) -> ReportedName:
        def on_listed(name, result):
            self.received.append((name, result))
            return self._is_repository

        return ReportedName(name, on_listed)


# ------------------------------------------------------------------------------------------------------- one context


@pytest.mark.parametrize("is_repository", [True, False])
def test_pending_name_reports_its_result_once(is_repository):
    results = Results(is_repository=is_repository)
    with results.pending("acme/app") as pending:
        assert pending.resolve(TAGGED) is is_repository
    assert results.received == [("acme/app", TAGGED)]


def test_pending_name_without_a_result_reports_an_error():
    results = Results()
    with results.pending("acme/app"):
        pass
    ((name, error),) = results.received
    assert (name, str(error)) == ("acme/app", "the name was not listed")
    assert type(error) is CrawlerError


@pytest.mark.parametrize("exception", [KeyError("x"), CrawlerError("x"), KeyboardInterrupt()])
def test_pending_name_reports_an_error_and_raises_the_exception_of_its_context(exception):
    results = Results()
    with pytest.raises(type(exception)), results.pending("acme/app"):
        raise exception
    assert [str(error) for _, error in results.received] == ["the name was not listed"]


async def test_pending_name_reports_an_error_if_the_listing_is_cancelled():
    results = Results()
    with anyio.CancelScope() as scope, results.pending("acme/app"):
        scope.cancel()
        await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert [str(error) for _, error in results.received] == ["the name was not listed"]


def test_pending_name_reports_no_second_result_if_its_context_fails_after_the_first():
    results = Results()
    with pytest.raises(KeyError), results.pending("acme/app") as pending:
        raise KeyError(pending.resolve(TAGGED))
    assert results.received == [("acme/app", TAGGED)]


def test_pending_name_that_is_postponed_reports_nothing_until_a_later_context_resolves_it():
    results = Results()
    with results.pending("acme/app") as pending:
        pending.postpone()
    assert results.received == []
    with results.pending("acme/app") as pending:
        pending.resolve(TAGGED)
    assert results.received == [("acme/app", TAGGED)]


def test_pending_name_of_a_source_that_needs_no_results_is_a_repository():
    with UNREPORTED as pending:
        pending.postpone()
    with UNREPORTED as pending:
        assert pending.resolve(CrawlerError("failed"))


# ------------------------------------------------------------------------------------------------------------- walks


async def test_pending_names_with_results_make_a_complete_walk():
    source = walk()
    listings = {"acme": ROOT, "acme/team": TEAM, "acme/team/app": TAGGED, "acme/team/lib": TAGGED}
    assert await run(source, listings) == list(listings)
    assert source.evidence.complete
    assert source.evidence.text == "a walk from acme down: every folder was opened: 4 nodes"


@pytest.mark.parametrize("wrap", [lambda source: source, lambda source: FallbackDiscovery([source])])
async def test_pending_name_without_a_result_ends_the_walk_with_incomplete_evidence(wrap):
    source = wrap(walk())
    listings = {"acme": ROOT, "acme/team": TEAM, "acme/team/app": TAGGED}
    names = await run(source, listings, forgotten={"acme/team/lib"})
    assert names == ["acme", "acme/team", "acme/team/app", "acme/team/lib"]
    assert not source.evidence.complete
    assert "1 of 4 nodes could not be opened: repositories below them are unknown" in source.evidence.text


async def test_pending_root_without_a_result_ends_the_walk_with_an_error():
    with pytest.raises(CrawlerError, match="the name was not listed"):
        await run(walk(), {}, forgotten={"acme"})


async def test_pending_name_that_is_postponed_keeps_the_walk_waiting():
    source = walk()
    names = []
    postponed = anyio.Event()

    async def read():
        async for page in source.pages():
            for name in page:
                names.append(name)
                with source.pending(name) as pending:
                    if name == "acme/team":
                        pending.postpone()
                        postponed.set()
                    else:
                        pending.resolve(ROOT if name == "acme" else TAGGED)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await postponed.wait()
            await anyio.wait_all_tasks_blocked()
            assert names == ["acme", "acme/team"]
            with source.pending("acme/team") as pending:
                pending.resolve(TEAM)
    assert names == ["acme", "acme/team", "acme/team/app", "acme/team/lib"]
    assert source.evidence.complete


async def test_pending_name_without_a_result_does_not_make_a_list_look_like_another_registrys():
    source = ListDiscovery("names.txt", lambda: b"team/a\nteam/b\n", "registry.example")
    missing = Missing("GET https://registry.example", code="NAME_UNKNOWN", message="", http_status=404)
    await run(source, {"team/a": missing}, forgotten={"team/b"})
    assert source.evidence.text == "2 names listed in names.txt"


# ------------------------------------------------------------------------------------------------------- whole crawls

# The name on the right is what a record shows for the name on the left.
ALIKE = ("x\x1b", "x\\x1b")


async def test_pending_names_that_print_alike_end_the_walk_with_one_record(tmp_path):
    script = [node("acme", "team", *ALIKE), node("acme/team", "app"), repository("acme/team/app")]
    with anyio.fail_after(60):
        snapshot = await crawl(script, tmp_path, prefix="/acme", discovery="walk")
    assert snapshot.outcomes == {"acme/team/app": "ok", "acme/x\\x1b": "invalid"}
    assert snapshot.manifest["verdict"] == "partial"
    assert "2 of 5 nodes could not be opened" in snapshot.manifest["discovery"]["evidence"]


async def test_pending_names_that_print_alike_in_a_catalog_get_one_record(tmp_path):
    script = [on(catalog_path(), document({"repositories": ["alpha", *ALIKE]})), *plain_registry({"alpha": ("1",)})]
    async with serve(script) as server:
        await crawler.crawl(crawler.Config(registry=[{"target": server.host}], output={"path": tmp_path}))
    assert read_snapshot(tmp_path).outcomes == {"alpha": "ok", "x\\x1b": "invalid"}


async def test_pending_name_that_fails_once_is_postponed_and_its_children_are_found(tmp_path):
    """Nothing else is left to list, so only the second pass can end the walk."""
    failing = on("/v2/acme/team/tags/list", document({}, status=500), times=1)
    script = [node("acme", "team"), failing, node("acme/team", "app"), repository("acme/team/app")]
    with anyio.fail_after(60):
        snapshot = await crawl(script, tmp_path, prefix="/acme", discovery="walk")
    assert snapshot.outcomes == {"acme/team/app": "ok"}
    assert snapshot.by_name["acme/team/app"]["tags"] == IMAGE[next(iter(IMAGE))]["tag"]
    assert snapshot.manifest["verdict"] == "complete"
