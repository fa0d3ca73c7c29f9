"""Which shard a process is, by the variables of the scheduler that started it: `--shard env` and `--shard env/8`."""

from collections.abc import Mapping
from typing import Final

from crawler.model.shard import Shard
from crawler.model.value import Value
from crawler.untrusted_text import printable


class _Scheduler(Value, frozen=True):
    """The variables that a scheduler sets in each process of an array; "" for one that it does not set.

    Attributes:
        index: the number of the process.
        count: how many processes there are.
        first: the number of the first process; without it they are counted from 0.
        step: by how much each number is larger than the one before.
        group: an id that all processes of one execution have in common.
    """

    index: str
    count: str = ""
    first: str = ""
    step: str = ""
    group: str = ""


# https://cloud.google.com/run/docs/container-contract#jobs-env-vars
# https://slurm.schedmd.com/sbatch.html, "SLURM_ARRAY_TASK_COUNT"
# https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html: no count; a child's job id is PARENT:INDEX
# https://kubernetes.io/docs/concepts/workloads/controllers/job/#completion-mode: neither a count nor an id
_SCHEDULERS: Final = (
    _Scheduler("CLOUD_RUN_TASK_INDEX", count="CLOUD_RUN_TASK_COUNT", group="CLOUD_RUN_EXECUTION"),
    _Scheduler(
        "SLURM_ARRAY_TASK_ID",
        count="SLURM_ARRAY_TASK_COUNT",
        first="SLURM_ARRAY_TASK_MIN",
        step="SLURM_ARRAY_TASK_STEP",
        group="SLURM_ARRAY_JOB_ID",
    ),
    _Scheduler("AWS_BATCH_JOB_ARRAY_INDEX", group="AWS_BATCH_JOB_ID"),
    _Scheduler("JOB_COMPLETION_INDEX"),
)


def shard_from_environment(count: int | None, environ: Mapping[str, str]) -> Shard:
    """The shard of this process. `count` is how many there are, for schedulers that do not say so.

    Raises ValueError with what is missing or wrong.
    """
    scheduler = _scheduler(environ)
    if scheduler is None:
        known = ", ".join(each.index for each in _SCHEDULERS)
        raise ValueError(f"shard env needs one of the variables {known}; none is set")
    told = _number(environ, scheduler.count) if environ.get(scheduler.count) else None
    if told is None and count is None:
        raise ValueError(f"{scheduler.index} comes without a count: write env/COUNT, such as env/8")
    if told is not None and count is not None and told != count:
        raise ValueError(f"{scheduler.count} is {told}, and shard env/{count} says {count}: write env")
    first = _number(environ, scheduler.first) if environ.get(scheduler.first) else 0
    step = _number(environ, scheduler.step) if environ.get(scheduler.step) else 1
    index, odd = divmod(_number(environ, scheduler.index) - first, max(step, 1))
    if odd:
        raise ValueError(f"{scheduler.index} does not fit {scheduler.first} and {scheduler.step}")
    return Shard(index, told or count or 0)


def group_from_environment(environ: Mapping[str, str]) -> str | None:
    """The id that the scheduler has given to all shards; None where it gives none."""
    scheduler = _scheduler(environ)
    return None if scheduler is None else environ.get(scheduler.group, "").partition(":")[0] or None


def _scheduler(environ: Mapping[str, str]) -> _Scheduler | None:
    return next((each for each in _SCHEDULERS if environ.get(each.index)), None)


def _number(environ: Mapping[str, str], variable: str) -> int:
    text = environ[variable]
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValueError(f"{variable} must be a whole number, not '{printable(text, 40)}'")
    return int(text)
