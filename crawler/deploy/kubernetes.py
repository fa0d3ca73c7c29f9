"""Kubernetes: a CronJob, or one for the shards and one for their merge, and all that they need."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crawler.deploy.deployment import GENERATED_BY, Deployment, Printed
from crawler.deploy.input_files import InputFile, check_sizes
from crawler.deploy.option_checks import OptionCheck, check_options
from crawler.deploy.quoting import shell_word
from crawler.deploy.render import render
from crawler.untrusted_text import LONGEST_PATH, printable

_CONFIG_FOLDER: Final = "/etc/registry-crawler"
_FILES_FOLDER: Final = "/var/run/registry-crawler"
_DOCKER_FOLDER: Final = "/etc/docker-login"
_DATA_FOLDER: Final = "/data"

_BEGINS_WITHIN_S: Final = 3600
"""The merge waits so long for the first shard, and Kubernetes starts a Job so long after its time."""

_SECRET_BYTES: Final = 1_000_000
"""A Secret holds 1 MiB, with the names of its keys: https://kubernetes.io/docs/concepts/configuration/secret/"""

_NAMESPACE: Final = r"([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?"
_GOOGLE_ACCOUNT: Final = r"[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com"
_AWS_ROLE: Final = r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+"
_IDENTITY_FORM: Final = (
    "NAME@PROJECT.iam.gserviceaccount.com (GKE), or the ARN of a role (EKS): arn:aws:iam::123456789012:role/NAME"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesOptions:
    """What the configuration does not say.

    Attributes:
        namespace: "" leaves it to kubectl.
        workload_identity: the account of the cloud that the pod has: a Google service account's address, or the ARN of
            an AWS role; "" for none.
        templates: the templates to print, in order.
        shards: how many pods share a night's crawl; 0 for one pod that takes the whole snapshot.
    """

    name: str
    image: str
    schedule: str
    namespace: str
    workload_identity: str
    volume_size: str
    templates: Sequence[str]
    shards: int = 0

    @property
    def reporting_job(self) -> str:
        """The CronJob that ends with a snapshot."""
        return f"{self.name}-merge" if self.shards else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One CronJob.

    Attributes:
        shards: how many pods each of its Jobs has, each of which is a shard; 0 for one pod.
        script: what the pod runs in a shell; "" where it runs registry-crawler with `arguments`.
    """

    name: str
    container: str
    deadline_s: int
    deadline_note: str
    shards: int = 0
    arguments: Sequence[str] = ()
    script: str = ""


MANIFESTS: Final = ("kubernetes.yaml",)
MANIFESTS_AND_ALERT: Final = ("kubernetes.yaml", "prometheus-rule.yaml")


def kubernetes_manifests(deployment: Deployment, options: KubernetesOptions) -> Printed:
    """The manifests for `kubectl apply -f -`. Raises ConfigError."""
    _check(options)
    check_sizes(deployment.files, _SECRET_BYTES, "a Secret")
    values = {
        "made_by": f"{GENERATED_BY} deploy kubernetes",
        "options": options,
        "annotations": _identity_annotations(options.workload_identity),
        "config_text": deployment.placed_text(_place),
        "jobs": _jobs(deployment, options),
        "variables": deployment.placed_variables(_place),
        "secret_variables": deployment.secret_variables,
        "has_files": bool(deployment.files),
        "needs_docker_login": deployment.needs_docker_login,
        "begins_within_s": _BEGINS_WITHIN_S,
        "cpu_m": min(1000, max(250, 8 * deployment.config.limits.concurrency)),
        "memory_mi": deployment.memory_mi,
        "most_memory_mi": deployment.most_memory_mi,
        "selector": _cronjob_selector(options),
        "config_folder": _CONFIG_FOLDER,
        "files_folder": _FILES_FOLDER,
        "docker_folder": _DOCKER_FOLDER,
        "data_folder": _DATA_FOLDER,
    }
    text = "---\n".join(render(template, **values) for template in options.templates)
    return Printed(text, tuple(_notes(deployment, options)))


def _jobs(deployment: Deployment, options: KubernetesOptions) -> list[_Job]:
    """The CronJob that crawls; with shards also the one that merges.

    A Job of a CronJob is named by its scheduled time, in minutes, so that none is made twice (kubernetes/kubernetes
    pkg/controller/cronjob/cronjob_controllerv2.go, getJobName). Of two CronJobs with one schedule, the Jobs of one
    night have the same number: so the merge knows its group, and asks neither Kubernetes nor the clock.
    """
    within_s = round(deployment.config.resume.within.total_seconds())
    within = f"{deployment.config.model_dump(mode='json')['resume']['within']}, the same as resume.within"
    config_file, log_format = f"{_CONFIG_FOLDER}/config.toml", ["--log-format", "json"]
    if not options.shards:
        arguments = [*deployment.crawl_arguments(config_file, _DATA_FOLDER), *log_format]
        return [
            _Job(name=options.name, container="crawl", deadline_s=within_s, deadline_note=within, arguments=arguments)
        ]
    shard = ["--shard", f"env/{options.shards}", "--group", "$(JOB_NAME)"]
    crawl = _Job(
        name=options.name,
        container="crawl",
        deadline_s=within_s,
        deadline_note=within,
        shards=options.shards,
        arguments=[*deployment.shard_arguments(config_file, _DATA_FOLDER), *shard, *log_format],
    )
    merge_arguments = [*deployment.merge_arguments(config_file, _DATA_FOLDER), *log_format]
    script = render(
        "merge.sh",
        options=options,
        shards_folder=f"{_DATA_FOLDER}/snapshots/.shards",
        parts=options.shards * len(deployment.config.registry),
        begins_within_s=_BEGINS_WITHIN_S,
        deadline_s=within_s,
        arguments=" ".join(map(shell_word, merge_arguments)),
    )
    merge = _Job(
        name=options.reporting_job,
        container="merge",
        deadline_s=within_s + _BEGINS_WITHIN_S,
        deadline_note="as long as the shards have, and an hour to merge",
        script=script,
    )
    return [crawl, merge]


def _place(file: InputFile) -> str:
    return f"{_FILES_FOLDER}/{file.name}"


def _check(options: KubernetesOptions) -> None:
    identity = f"({_GOOGLE_ACCOUNT}|{_AWS_ROLE})?"
    check_options(
        OptionCheck.of_name(options.name),
        *([OptionCheck.of_sharded_name(options.name)] if options.shards else []),
        OptionCheck.of_image(options.image),
        OptionCheck.of_cron_schedule(options.schedule),
        OptionCheck("--namespace", options.namespace, _NAMESPACE, "lower-case letters, digits and '-'"),
        OptionCheck("--volume-size", options.volume_size, r"[1-9]\d{0,5}[MGT]i", "a size: 20Gi"),
        OptionCheck("--service-account", options.workload_identity, identity, _IDENTITY_FORM),
    )


def _cronjob_selector(options: KubernetesOptions) -> str:
    namespace = f', namespace="{options.namespace}"' if options.namespace else ""
    return f'{{cronjob="{options.reporting_job}"{namespace}}}'


def _identity_annotations(account: str) -> dict[str, str]:
    if not account:
        return {}
    key = "eks.amazonaws.com/role-arn" if account.startswith("arn:") else "iam.gke.io/gcp-service-account"
    return {key: account}


def _notes(deployment: Deployment, options: KubernetesOptions) -> list[str]:
    notes = deployment.notes_of_container()
    kubectl = "kubectl" + (f" -n {options.namespace}" if options.namespace else "")
    if options.shards:
        notes.append(
            "the pods share one volume, which must be ReadWriteMany and have file locks, as NFS has: where the default "
            "storage class of the cluster has no such volumes, add storageClassName to the PersistentVolumeClaim"
        )
    secrets = [
        f"--from-file={file.name}={printable(shell_word(str(file.path)), LONGEST_PATH)}" for file in deployment.files
    ]
    secrets += [f'--from-literal={name}="${name}"' for name in deployment.secret_variables]
    if secrets:
        notes.append(
            f"make the Secret before the first run: {kubectl} create secret generic {options.name} {' '.join(secrets)}"
        )
    if deployment.needs_docker_login:
        notes.append(
            f"make the Secret of docker's login: {kubectl} create secret generic {options.name}-docker "
            '--from-file=config.json="${DOCKER_CONFIG:-$HOME/.docker}/config.json"'
        )
    if deployment.google_targets and not options.workload_identity:
        notes.append(
            f"{', '.join(deployment.google_targets)}: no key file is configured: for GKE's workload identity give "
            "--service-account NAME@PROJECT.iam.gserviceaccount.com"
        )
    if options.workload_identity.endswith("gserviceaccount.com"):
        namespace = options.namespace or "NAMESPACE"
        notes.append(
            f"let the pod use {options.workload_identity}: gcloud iam service-accounts add-iam-policy-binding "
            f"{options.workload_identity} --role roles/iam.workloadIdentityUser "
            f'--member "serviceAccount:PROJECT.svc.id.goog[{namespace}/{options.name}]"'
        )
    if "prometheus-rule.yaml" in options.templates and deployment.config.verdict.partial_ok:
        notes.append("verdict.partial_ok is true: a partial snapshot counts as a success, and no alert tells of it")
    if "prometheus-rule.yaml" in options.templates and deployment.config.verdict.max_shrink is None:
        notes.append('verdict.max_shrink is not set: no alert tells of a snapshot that shrank; set it to "20%"')
    return notes
