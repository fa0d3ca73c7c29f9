"""Google Cloud Run: a job, and Cloud Scheduler to start it."""

import math
from dataclasses import dataclass
from typing import Final

from crawler.config.values import NO_CACHE
from crawler.deploy.deployment import GENERATED_BY, Deployment, Printed
from crawler.deploy.input_files import InputFile, check_sizes
from crawler.deploy.option_checks import OptionCheck, check_options
from crawler.deploy.render import render
from crawler.errors import ConfigError
from crawler.model.depth import Depth

_CONFIG_FOLDER: Final = "/etc/registry-crawler"
_FILES_FOLDER: Final = "/etc/registry-crawler-files"

_SECRET_BYTES: Final = 65_536
"""A version of a secret in Secret Manager: https://cloud.google.com/secret-manager/quotas"""

_CPUS: Final = ((4096, 1), (8192, 2), (16_384, 4))
"""The most memory in MiB for so many CPUs: https://cloud.google.com/run/docs/configuring/jobs/memory-limits"""

_LONGEST_TASK_S: Final = 168 * 3600
"""https://cloud.google.com/run/docs/configuring/task-timeout"""

_PROJECT: Final = r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"
_REGION: Final = r"[a-z]+-[a-z]+\d{1,2}"
_BUCKET: Final = r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]"
_ACCOUNT: Final = r"[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudRunOptions:
    """What the configuration does not say. `bucket` is the name alone."""

    name: str
    image: str
    schedule: str
    project: str
    region: str
    bucket: str
    service_account: str


def cloud_run_script(deployment: Deployment, options: CloudRunOptions) -> Printed:
    """A script of gcloud commands. It may run again after a change of the configuration. Raises ConfigError."""
    _check(options)
    config_text = deployment.placed_text(_place)
    check_sizes(deployment.files, _SECRET_BYTES, "a secret of Secret Manager")
    if len(config_text.encode()) > _SECRET_BYTES:
        raise ConfigError([f"the configuration is larger than {_SECRET_BYTES:,} bytes, which a secret holds"])
    values = {
        "options": options,
        "arguments": _arguments(),
        "variables": deployment.placed_variables(_place),
        "files": {file: _secret(options, number, file) for number, file in enumerate(deployment.files, start=1)},
        "secret_variables": {name: f"{options.name}-{name.lower()}" for name in deployment.secret_variables},
        "needs_docker_login": deployment.needs_docker_login,
        "memory_mi": deployment.most_memory_mi,
        "cpus": next(cpus for most_mi, cpus in _CPUS if deployment.most_memory_mi <= most_mi),
        "task_timeout_s": min(_LONGEST_TASK_S, math.ceil(deployment.config.resume.within.total_seconds())),
        "config_folder": _CONFIG_FOLDER,
        "files_folder": _FILES_FOLDER,
    }
    job = render("cloud-run.yaml", **values)
    made_by = f"{GENERATED_BY} deploy cloud-run"
    script = render("cloud-run.sh", made_by=made_by, config_text=config_text, job=job, **values)
    return Printed(script, tuple(_notes(deployment)))


def _arguments() -> list[str]:
    # the digest cache is one SQLite file, which a bucket cannot hold
    config_and_output = ["--config", f"{_CONFIG_FOLDER}/config.toml", "--output", "/data/snapshots"]
    return ["crawl", *config_and_output, "--no-lock", "--cache", "none", "--resume", "--log-format", "json"]


def _place(file: InputFile) -> str:
    return f"{_FILES_FOLDER}/{file.name}/{file.name}"


def _secret(options: CloudRunOptions, number: int, file: InputFile) -> str:
    """The name of a file's secret. The number keeps apart what the dots of two names keep apart."""
    return f"{options.name}-{number}-{file.name.replace('.', '-')}"


def _check(options: CloudRunOptions) -> None:
    account = "NAME@PROJECT.iam.gserviceaccount.com"
    check_options(
        OptionCheck.of_name(options.name),
        OptionCheck.of_image(options.image),
        OptionCheck.of_cron_schedule(options.schedule),
        OptionCheck("--project", options.project, _PROJECT, "a project's id"),
        OptionCheck("--region", options.region, _REGION, "a region: us-central1"),
        OptionCheck("--bucket", options.bucket, _BUCKET, "a bucket's name, without gs://"),
        OptionCheck("--service-account", options.service_account, _ACCOUNT, account),
    )


def _notes(deployment: Deployment) -> list[str]:
    notes = deployment.notes_of_container()
    notes.append(
        "a bucket is no file system: a file is there once it is closed, so a task that is killed leaves nothing to "
        "resume; the bucket must have a hierarchical namespace, or a snapshot is not published in one rename"
    )
    if deployment.config.lake.url is None:
        notes.append(
            "lake.url is not set: with gs://BUCKET/PATH each snapshot is also published where no rename matters"
        )
    if deployment.config.images.depth is not Depth.TAGS and deployment.config.cache.path != NO_CACHE:
        notes.append(
            f"images.depth is {deployment.config.images.depth}: a bucket cannot hold the digest cache, so each night "
            "reads every image again; on Kubernetes or a machine it would not"
        )
    notes.append(
        "Cloud Run cannot tell exit codes apart, so no task is tried again; a partial night is a failed execution"
    )
    if deployment.secret_variables:
        notes.append(f"run the script where {', '.join(deployment.secret_variables)} is set: it goes to Secret Manager")
    return notes
