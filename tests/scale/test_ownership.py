"""Which shard owns a name: exactly one, the same in every shard, and no shard much more than its share."""

from hypothesis import given
from hypothesis import strategies as st

from crawler.discovery.ownership import Cut, NameHash, Ownership, balance, cut_by_costs
from crawler.model.shard import Shard
from crawler.untrusted_text import printable

COMPONENTS = st.text("ab-0", min_size=1, max_size=3) | st.text(max_size=3)
NAMES = st.lists(st.lists(COMPONENTS, min_size=1, max_size=5).map("/".join), unique_by=printable)
CUTS = st.sampled_from([Cut(), Cut.below(""), Cut.below("a"), Cut(2, frozenset({"a/a", "a/a/a", "a/b"}))])


def group_of(count: int, cut: Cut, costs: dict[str, int] | None = None) -> list[Ownership]:
    """The ownership of every shard, each computed by itself."""
    groups = []
    for index in range(count):
        name_hash = NameHash("registry.example.com")
        owners = balance(((name_hash(name), cost) for name, cost in (costs or {}).items()), count)
        groups.append(Ownership(Shard(index, count), name_hash, cut, owners))
    return groups


@given(NAMES, st.integers(1, 9), CUTS)
def test_ownership_gives_each_name_to_exactly_one_shard(names, count, cut):
    group = group_of(count, cut)
    for name in names:
        assert sum(each.owns(name) for each in group) == 1
        assert {each.owner_of(name) for each in group} == {group[0].owner_of(name)}


@given(NAMES, st.integers(1, 5))
def test_ownership_shares_out_every_page(names, count):
    group = group_of(count, Cut())
    parts = [each.select_owned("catalog", dict.fromkeys(names)) for each in group]
    assert sorted(name for part in parts for name in part) == sorted(names)
    views = {each.seen("catalog") for each in group}
    assert len(views) == 1, "shards that read the same pages saw the same"
    assert [seen.names for seen in views.pop()] == [len(part) for part in parts]


def test_ownership_tells_apart_shards_that_read_different_pages():
    whole, short, other = (group_of(2, Cut())[0] for _ in range(3))
    whole.select_owned("catalog", dict.fromkeys(["a", "b", "c"]))
    short.select_owned("catalog", dict.fromkeys(["c", "a"]))
    other.select_owned("catalog", dict.fromkeys(["c", "a", "d"]))
    assert len({each.seen("catalog") for each in (whole, short, other)}) == 3
    assert whole.seen("walk") == ()


@given(NAMES, st.integers(1, 5), CUTS)
def test_ownership_opens_every_folder_above_an_owned_name(names, count, cut):
    if not cut.depth:
        return
    for each in group_of(count, cut):
        for name in filter(each.owns, names):
            components = name.split("/")
            above = ["/".join(components[:end]) for end in range(1, len(components) + 1)]
            assert each.select_opened("walk", above) == above


def test_ownership_by_name_differs_from_registry_to_registry():
    names = [f"team/app-{number}" for number in range(64)]
    assert [NameHash("a.example.com")(name) % 2 for name in names] != [
        NameHash("b.example.com")(name) % 2 for name in names
    ]


@given(st.dictionaries(st.text("abc", min_size=1, max_size=5), st.integers(1, 10_000), min_size=1), st.integers(1, 8))
def test_balance_gives_no_shard_more_than_its_share_and_one_repository(costs, count):
    group = group_of(count, Cut(), costs)
    loads = [sum(cost for name, cost in costs.items() if each.owns(name)) for each in group]
    assert max(loads) <= sum(costs.values()) / count + max(costs.values())
    assert balance(reversed([(each, 1) for each in range(9)]), 2) == balance(((each, 1) for each in range(9)), 2)


def test_balance_of_a_few_giants_gives_each_its_own_shard():
    costs = {"giant-1": 1000, "giant-2": 900, "giant-3": 800, **{f"small-{number}": 1 for number in range(300)}}
    group = group_of(4, Cut(), costs)
    assert len({group[0].owner_of(f"giant-{number}") for number in (1, 2, 3)}) == 3
    assert sum(group[0].owner_of(f"small-{number}") == group[0].owner_of("giant-1") for number in range(300)) == 0


def test_cut_divides_a_subtree_that_is_heavier_than_the_mean_and_no_other():
    costs = {f"project/big/{number % 3}/app-{number}": 10 for number in range(90)}
    costs |= {"project/big/single": 700, "project/small/app": 10, "project/tiny": 1}
    cut = cut_by_costs(Cut.below("project"), costs, 4)
    assert cut.opened_by_all == {"project/big"}
    assert cut.unit("project/big/1/app-1") == "project/big/1"
    assert cut.unit("project/big/single") == "project/big/single"
    assert cut.unit("project/small/app/deep") == "project/small"
    assert cut.unit("project/big") == "project/big"
    assert [cut.is_opened_by_all(name) for name in ("project", "project/big", "project/small")] == [True, True, False]


def test_cut_goes_as_deep_as_it_must():
    costs = {f"project/team/app/v{number}/image": 10 for number in range(8)}
    cut = cut_by_costs(Cut.below("project"), costs, 8)
    assert cut.opened_by_all == {"project/team", "project/team/app"}
