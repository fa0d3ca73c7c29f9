"""systemd: a service in a sandbox, and its timer."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from crawler.deploy.deployment import GENERATED_BY, Deployment, Printed
from crawler.deploy.input_files import InputFile, check_sizes
from crawler.deploy.option_checks import OptionCheck, check_options
from crawler.deploy.render import render
from crawler.errors import ConfigError
from crawler.untrusted_text import quoted_path

_CREDENTIAL_BYTES: Final = 1_000_000
"""A unit's credentials hold 1 MiB together: systemd.exec(5), LoadCredential=."""

_CALENDAR: Final = r"[A-Za-z0-9*:.,/~_+ -]+"
_HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp")  # noqa: S108  (folders that the sandbox hides)


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemdOptions:
    """What the configuration does not say.

    Attributes:
        program: where registry-crawler is; absolute.
        calendar: when it runs, as OnCalendar= has it.
        textfile: the file for node_exporter; None for none.
    """

    name: str
    program: PurePosixPath
    calendar: str
    textfile: PurePosixPath | None


def systemd_script(deployment: Deployment, options: SystemdOptions) -> Printed:
    """A script that installs the configuration, its files and the units. Raises ConfigError."""
    _check(options)
    check_sizes(deployment.files, _CREDENTIAL_BYTES, "a unit")
    credentials = f"/run/credentials/{options.name}.service"  # $CREDENTIALS_DIRECTORY of systemd.exec(5)

    def place(file: InputFile) -> str:
        return f"{credentials}/{file.name}"

    config_file = f"/etc/{options.name}/config.toml"
    state = f"/var/lib/{options.name}"
    values = {
        "made_by": f"{GENERATED_BY} deploy systemd",
        "options": options,
        "program": str(options.program),
        "textfile": None if options.textfile is None else str(options.textfile),
        "state": state,
        "arguments": [*deployment.crawl_arguments(config_file, state), "--no-progress"],
        "files": deployment.files,
        "variables": deployment.placed_variables(place),
        "secret_variables": deployment.secret_variables,
        "needs_docker_login": deployment.needs_docker_login,
        "credentials": credentials,
        "deadline_s": round(deployment.config.resume.within.total_seconds()),
        "most_memory_mi": deployment.most_memory_mi,
    }
    text = render(
        "systemd.sh",
        config_text=deployment.placed_text(place),
        service=render("systemd.service", **values),
        timer=render("systemd.timer", **values),
        **values,
    )
    return Printed(text, tuple(_notes(deployment, options)))


def _check(options: SystemdOptions) -> None:
    calendar = "as OnCalendar= has it: '*-*-* 02:15:00'"
    textfiles = [] if options.textfile is None else [OptionCheck.of_absolute_path("--textfile", options.textfile)]
    check_options(
        OptionCheck.of_name(options.name),
        OptionCheck("--schedule", options.calendar, _CALENDAR, calendar),
        OptionCheck.of_absolute_path("--program", options.program),
        *textfiles,
    )
    places = (options.program, Path(options.program).resolve())  # a link may lead into a folder that is hidden
    if any(place.is_relative_to(folder) for place in places for folder in _HIDDEN):
        hidden = f"--program: {quoted_path(str(options.program))} is hidden from the service"
        raise ConfigError([f"{hidden}: install it in /opt: python3 -m venv /opt/registry-crawler"])


def _notes(deployment: Deployment, options: SystemdOptions) -> list[str]:
    notes = deployment.common_notes()
    notes.append(f"snapshots will be in /var/lib/{options.name}/snapshots, whatever output.path is")
    if deployment.secret_variables:
        lines = ", ".join(f"{name}=…" for name in deployment.secret_variables)
        notes.append(f"put the line {lines} into /etc/{options.name}/environment before the first run (mode 0600)")
    if deployment.google_targets:
        notes.append(
            f"{', '.join(deployment.google_targets)}: no key file is configured: the service uses the machine's own "
            "account (its metadata server), not your gcloud login"
        )
    return notes
