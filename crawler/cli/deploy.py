"""`registry-crawler deploy`: what to apply where the crawls are to run, from the configuration in hand."""

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer

from crawler.cli import logs
from crawler.cli.error_output import exit_on_error
from crawler.cli.options import LogFormatOption
from crawler.cli.streams import data_output
from crawler.model.shard import MAX_SHARDS

if TYPE_CHECKING:
    from crawler.deploy.deployment import Deployment, Printed

deploy = typer.Typer(
    help="Print what to apply where crawls run every night. Nothing is applied, and no secret is printed.\n\n"
    "Exit code: 0 printed, 1 standard output cannot be written, 2 bad usage or configuration.",
    rich_markup_mode=None,
)

ConfigFile = Annotated[
    Path, typer.Option("--config", metavar="FILE", help="Configuration file; `registry-crawler init` writes one")
]
Name = Annotated[str, typer.Option("--name", metavar="NAME", help="Name of what is deployed")]
Image = Annotated[str, typer.Option("--image", metavar="IMAGE", help="Container image, built from .ci/Containerfile")]
CronSchedule = Annotated[str, typer.Option("--schedule", metavar="CRON", help="When, in UTC, as cron has it")]
Program = Annotated[str, typer.Option("--program", metavar="FILE", help="Where registry-crawler is installed")]
TextFile = Annotated[
    Path | None,
    typer.Option("--textfile", metavar="FILE", help="Write metrics for node_exporter there after each crawl"),
]

_PROGRAM = "/usr/local/bin/registry-crawler"
_AT_NIGHT = "15 2 * * *"


@deploy.command()
def kubernetes(
    config: ConfigFile,
    image: Image,
    name: Name = "registry-crawler",
    schedule: CronSchedule = _AT_NIGHT,
    namespace: Annotated[
        str, typer.Option("--namespace", metavar="NAME", help="Namespace  [default: kubectl's]", show_default=False)
    ] = "",
    service_account: Annotated[
        str,
        typer.Option(
            "--service-account",
            metavar="ACCOUNT",
            help="Account by workload identity: a Google service account (GKE), or the ARN of a role (EKS)",
            show_default=False,
        ),
    ] = "",
    volume_size: Annotated[
        str, typer.Option("--volume-size", metavar="SIZE", help="Size of the volume for snapshots")
    ] = "20Gi",
    shards: Annotated[
        int | None,
        typer.Option(
            "--shards",
            metavar="N",
            min=2,
            max=MAX_SHARDS,
            help="Share each night's crawl among N pods, an Indexed Job, and merge what they found",
            show_default=False,
        ),
    ] = None,
    prometheus_rule: Annotated[
        bool, typer.Option("--prometheus-rule", help="Also an alert for the Prometheus operator")
    ] = False,
    log_format: LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """Print manifests: a CronJob and all it needs.

    \b
    Examples:
      registry-crawler deploy kubernetes --config config.toml --image IMAGE | kubectl apply -f -
      registry-crawler deploy kubernetes --config config.toml --image IMAGE --shards 8 | kubectl apply -f -
    """  # noqa: D301  (typer keeps the line breaks of a paragraph after \b)
    from crawler.deploy.kubernetes import MANIFESTS, MANIFESTS_AND_ALERT, KubernetesOptions, kubernetes_manifests

    options = KubernetesOptions(
        name=name,
        image=image,
        schedule=schedule,
        namespace=namespace,
        workload_identity=service_account,
        volume_size=volume_size,
        templates=MANIFESTS_AND_ALERT if prometheus_rule else MANIFESTS,
        shards=shards or 0,
    )
    _print(config, log_format, lambda deployment: kubernetes_manifests(deployment, options))


@deploy.command("cloud-run")
def cloud_run(
    config: ConfigFile,
    image: Image,
    project: Annotated[str, typer.Option("--project", metavar="PROJECT", help="Google project")],
    region: Annotated[str, typer.Option("--region", metavar="REGION", help="Region, such as us-central1")],
    bucket: Annotated[str, typer.Option("--bucket", metavar="BUCKET", help="Bucket for snapshots, without gs://")],
    service_account: Annotated[
        str, typer.Option("--service-account", metavar="ACCOUNT", help="Google service account that the job has")
    ],
    name: Name = "registry-crawler",
    schedule: CronSchedule = _AT_NIGHT,
    log_format: LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """Print gcloud commands: a job and its schedule.

    \b
    Example:
      registry-crawler deploy cloud-run --config config.toml --image IMAGE --project my-project \\
          --region us-central1 --bucket my-bucket \\
          --service-account registry-crawler@my-project.iam.gserviceaccount.com | sh
    """  # noqa: D301
    from crawler.deploy.cloud_run import CloudRunOptions, cloud_run_script

    options = CloudRunOptions(
        name=name,
        image=image,
        schedule=schedule,
        project=project,
        region=region,
        bucket=bucket,
        service_account=service_account,
    )
    _print(config, log_format, lambda deployment: cloud_run_script(deployment, options))


@deploy.command()
def systemd(
    config: ConfigFile,
    name: Name = "registry-crawler",
    schedule: Annotated[
        str, typer.Option("--schedule", metavar="CALENDAR", help="When, as OnCalendar= of systemd has it")
    ] = "*-*-* 02:15:00",
    program: Program = _PROGRAM,
    textfile: TextFile = None,
    log_format: LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """Print a script: a service and its timer.

    \b
    Example:
      registry-crawler deploy systemd --config config.toml | sudo sh
    """  # noqa: D301
    from crawler.deploy.systemd import SystemdOptions, systemd_script

    options = SystemdOptions(
        name=name,
        program=PurePosixPath(program),
        calendar=schedule,
        textfile=None if textfile is None else PurePosixPath(textfile),
    )
    _print(config, log_format, lambda deployment: systemd_script(deployment, options))


@deploy.command()
def cron(
    config: ConfigFile,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of the log and of the lock")] = "night",
    schedule: Annotated[
        str, typer.Option("--schedule", metavar="CRON", help="When, in this machine's time, as cron has it")
    ] = _AT_NIGHT,
    program: Program = _PROGRAM,
    script: Annotated[Path, typer.Option("--script", metavar="FILE", help="Where you will save the script")] = Path(
        "night.sh"
    ),
    textfile: TextFile = None,
    log_format: LogFormatOption = logs.LogFormat.TEXT,
) -> None:
    """Print a script for cron.

    The script runs in the current folder, and prints nothing after a good night.

    \b
    Example:
      registry-crawler deploy cron --config config.toml > night.sh && chmod +x night.sh
    """  # noqa: D301
    from crawler.deploy.cron import CronOptions, cron_script

    options = CronOptions(
        name=name, program=PurePosixPath(program), schedule=schedule, script=script, textfile=textfile
    )
    _print(config, log_format, lambda deployment: cron_script(deployment, options))


@deploy.command()
def alerts(log_format: LogFormatOption = logs.LogFormat.TEXT) -> None:
    """Print rules of Prometheus.

    They are for the metrics of `registry-crawler metrics`.

    \b
    Example:
      registry-crawler deploy alerts > registry-crawler.rules.yaml
    """  # noqa: D301
    from crawler.deploy.alerts import alert_rules

    logs.configure(log_format, verbosity=0)
    with exit_on_error():
        _write(alert_rules())


def _print(config: Path, log_format: logs.LogFormat, make: "Callable[[Deployment], Printed]") -> None:
    from crawler.deploy.deployment import Deployment

    logs.configure(log_format, verbosity=0)
    with exit_on_error():
        _write(make(Deployment.read(config, os.environ)))


def _write(printed: "Printed") -> None:
    for note in printed.notes:
        logs.notice(note)
    with data_output() as out:
        out.write(printed.text)
