"""Which shard a process is: by --shard, and by the variables of the scheduler that started it."""

import json

import pytest
from support.run_cli import scripted_crawl
from support.scripted import plain_registry, serve

from crawler.config import Config
from crawler.config.schedulers import group_from_environment, shard_from_environment
from crawler.inspect.allowance import AllowanceSpent
from crawler.model.limits import Quota, Rate
from crawler.model.shard import Shard
from crawler.run.plan import SharedRateLimits, make_plan

CLOUD_RUN = {"CLOUD_RUN_TASK_INDEX": "2", "CLOUD_RUN_TASK_COUNT": "8", "CLOUD_RUN_EXECUTION": "nightly-x7k2p"}
SLURM = {"SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_JOB_ID": "4711"}
SLURM_FROM_1 = {**SLURM, "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_STEP": "2"}
AWS_BATCH = {"AWS_BATCH_JOB_ARRAY_INDEX": "3", "AWS_BATCH_JOB_ID": "0f1d-22:3"}
KUBERNETES = {"JOB_COMPLETION_INDEX": "0"}


@pytest.mark.parametrize(
    ("environment", "count", "shard", "group"),
    [
        (CLOUD_RUN, None, "2/8", "nightly-x7k2p"),
        (CLOUD_RUN, 8, "2/8", "nightly-x7k2p"),
        (SLURM_FROM_1, None, "2/4", "4711"),
        (AWS_BATCH, 8, "3/8", "0f1d-22"),
        (KUBERNETES, 8, "0/8", None),
    ],
    ids=["cloud-run", "cloud-run-count", "slurm", "aws-batch", "kubernetes"],
)
def test_shard_is_read_from_the_variables_of_schedulers(environment, count, shard, group):
    assert str(shard_from_environment(count, environment)) == shard
    assert group_from_environment(environment) == group


@pytest.mark.parametrize(
    ("environment", "count", "message"),
    [
        ({}, None, "needs one of the variables CLOUD_RUN_TASK_INDEX, SLURM_ARRAY_TASK_ID, AWS_BATCH_JOB_ARRAY_INDEX"),
        (KUBERNETES, None, "JOB_COMPLETION_INDEX comes without a count: write env/COUNT, such as env/8"),
        (CLOUD_RUN, 4, "CLOUD_RUN_TASK_COUNT is 8, and shard env/4 says 4: write env"),
        ({"JOB_COMPLETION_INDEX": "8"}, 8, "shards are counted from 0: of 8 the last is 7/8"),
        ({"JOB_COMPLETION_INDEX": "x\x1b"}, 8, r"JOB_COMPLETION_INDEX must be a whole number, not 'x\\x1b'"),
        (SLURM, None, "shards are counted from 0: of 4 the last is 3/4"),
        (
            {**SLURM_FROM_1, "SLURM_ARRAY_TASK_ID": "2"},
            None,
            "does not fit SLURM_ARRAY_TASK_MIN and",
        ),
    ],
)
def test_shard_of_a_scheduler_says_what_is_wrong(environment, count, message):
    with pytest.raises(ValueError, match=message):
        shard_from_environment(count, environment)


@pytest.mark.parametrize(
    ("options", "environment", "message"),
    [
        (
            ["--shard", "8/8", "--group", "a"],
            {},
            "--shard: scale.shard: shards are counted from 0: of 8 the last is 7",
        ),
        (["--shard", "three", "--group", "a"], {}, "a shard is INDEX/COUNT, counted from 0: 3/8 (got 'three')"),
        (["--shard", "0/2"], {}, "shard needs group: an id that all shards of one snapshot have in common"),
        (["--shard", "env/2"], KUBERNETES, "shard needs group"),
        (["--group", "a"], {}, "group needs shard"),
        (["--shard", "0/2", "--group", "../a"], {}, "must be the name of a folder"),
        (["--shard", "0/2", "--group", "a", "--output", "-"], {}, "scale.shard needs a folder to merge from"),
    ],
)
async def test_shard_options_that_cannot_work_are_refused(command, options, environment, message):
    ended = await command("crawl", "127.0.0.1:1", *options, environment=environment)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.complaint


async def test_shard_of_a_scheduler_takes_its_group_from_it(command):
    async with serve(plain_registry()) as server:
        ended = await command(*scripted_crawl(server), "--shard", "env", environment=CLOUD_RUN)
    assert ended.code == 0, ended.err
    assert ".shards/nightly-x7k2p/" in ended.err
    run_manifest = json.loads((command.folder / ended.snapshot / "_run.json").read_bytes())
    assert (run_manifest["shard"], run_manifest["group"]) == ("2/8", "nightly-x7k2p")


@pytest.mark.parametrize(
    ("rate", "shards"), [(Rate(80, 1), 8), (Rate(50_000, 600), 7), (Rate(10, 1), 8), (Rate(5, 1), 8)]
)
def test_shards_share_a_rate_and_never_exceed_it(rate, shards):
    share = rate.share(shards)
    assert share.count >= 1
    assert shards * share.count / share.seconds <= rate.count / rate.seconds + 1e-9
    assert shards * share.count / share.seconds >= rate.count / rate.seconds / 2


def test_shards_share_a_quota_with_a_label_that_says_so():
    quota = Quota(("project",), "the limit", (Rate(100, 1), Rate(1000, 60))).share(4)
    assert (quota.label, quota.windows) == ("the limit, shared by 4 shards", (Rate(25, 1), Rate(250, 60)))


def test_shards_share_a_budget_without_a_rest():
    assert [Shard(index, 4).share_of(10) for index in range(4)] == [3, 3, 2, 2]


def planned(target, shard="1/4", **limits):
    scale = {} if shard is None else {"shard": shard, "group": "a"}
    config = Config(registry=[{"target": target}], limits=limits, scale=scale)
    return make_plan(config, config.registry[0], SharedRateLimits())


async def test_shards_share_the_configured_rate_and_the_budget():
    plan = planned("localhost:5000", rate="80/s", budget=10)
    assert plan.quota.windows == (Rate(20, 1),)
    for _ in range(3):
        plan.allowance.take_exchange()
    with pytest.raises(AllowanceSpent, match="the budget of 10 exchanges is spent"):
        plan.allowance.take_exchange()


async def test_shards_share_a_published_quota_unless_it_is_counted_by_address():
    assert planned("us-docker.pkg.dev/p/r").quota.windows == (Rate(15_000, 60),)
    assert planned("gcr.io/p").quota == planned("gcr.io/p", shard=None).quota
    assert planned("gcr.io/p", shared_address=True).quota.windows[0] == Rate(12_500, 600)
    assert planned("gcr.io/p").api_quota.windows == (Rate(15_000, 60),)
    assert planned("localhost:5000", shared_address=True).quota is None
