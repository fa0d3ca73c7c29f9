"""Kubernetes: a CronJob, and all that it needs."""

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
    """

    name: str
    image: str
    schedule: str
    namespace: str
    workload_identity: str
    volume_size: str
    templates: Sequence[str]


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
        "arguments": [
            *deployment.crawl_arguments(f"{_CONFIG_FOLDER}/config.toml", _DATA_FOLDER),
            "--log-format",
            "json",
        ],
        "variables": deployment.placed_variables(_place),
        "secret_variables": deployment.secret_variables,
        "has_files": bool(deployment.files),
        "needs_docker_login": deployment.needs_docker_login,
        "deadline_s": round(deployment.config.resume.within.total_seconds()),
        "within": deployment.config.model_dump(mode="json")["resume"]["within"],
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


def _place(file: InputFile) -> str:
    return f"{_FILES_FOLDER}/{file.name}"


def _check(options: KubernetesOptions) -> None:
    identity = f"({_GOOGLE_ACCOUNT}|{_AWS_ROLE})?"
    check_options(
        OptionCheck.of_name(options.name),
        OptionCheck.of_image(options.image),
        OptionCheck.of_cron_schedule(options.schedule),
        OptionCheck("--namespace", options.namespace, _NAMESPACE, "lower-case letters, digits and '-'"),
        OptionCheck("--volume-size", options.volume_size, r"[1-9]\d{0,5}[MGT]i", "a size: 20Gi"),
        OptionCheck("--service-account", options.workload_identity, identity, _IDENTITY_FORM),
    )


def _cronjob_selector(options: KubernetesOptions) -> str:
    namespace = f', namespace="{options.namespace}"' if options.namespace else ""
    return f'{{cronjob="{options.name}"{namespace}}}'


def _identity_annotations(account: str) -> dict[str, str]:
    if not account:
        return {}
    key = "eks.amazonaws.com/role-arn" if account.startswith("arn:") else "iam.gke.io/gcp-service-account"
    return {key: account}


def _notes(deployment: Deployment, options: KubernetesOptions) -> list[str]:
    notes = deployment.notes_of_container()
    kubectl = "kubectl" + (f" -n {options.namespace}" if options.namespace else "")
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
