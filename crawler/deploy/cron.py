"""cron: a script that prints nothing after a good night, and the line of the crontab."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from crawler.deploy.deployment import GENERATED_BY, Deployment, Printed
from crawler.deploy.option_checks import OptionCheck, check_options
from crawler.deploy.quoting import cron_command, shell_word
from crawler.deploy.render import render
from crawler.errors import ConfigError
from crawler.untrusted_text import quoted_path


@dataclass(frozen=True, slots=True, kw_only=True)
class CronOptions:
    """What the configuration does not say.

    Attributes:
        program: where registry-crawler is; absolute, since cron's PATH is short.
        script: where the script will be.
        textfile: the file for node_exporter; None for none.
    """

    name: str
    program: PurePosixPath
    schedule: str
    script: Path
    textfile: Path | None


def cron_script(deployment: Deployment, options: CronOptions) -> Printed:
    """The script. Nothing is moved: it runs in the current folder, with the configuration as it is.

    Raises ConfigError.
    """
    _check(deployment, options)
    script = deployment.folder / options.script
    line = f"{options.schedule}  {cron_command(shell_word(str(script)))}"
    if not line.isprintable():
        raise ConfigError([f"--script: {quoted_path(script)}: a crontab cannot hold this path"])
    textfile = None if options.textfile is None else str(deployment.folder / options.textfile)
    text = render(
        "cron.sh",
        made_by=f"{GENERATED_BY} deploy cron",
        name=options.name,
        crontab_line=line,
        folder=str(deployment.folder),
        program=str(options.program),
        config_file=str(deployment.file),
        textfile=textfile,
        variables=deployment.variables,
    )
    note = f"save it as {quoted_path(script)}, make it executable, and add to the crontab: {line}"
    return Printed(text, (*deployment.foreign_notes(), note))


def _check(deployment: Deployment, options: CronOptions) -> None:
    check_options(
        OptionCheck.of_name(options.name),
        OptionCheck.of_cron_schedule(options.schedule),
        OptionCheck.of_absolute_path("--program", options.program),
    )
    if deployment.secret_variables:
        mistake = f"{', '.join(deployment.secret_variables)}: cron has no safe place for a variable that is a secret"
        raise ConfigError([f"{mistake}: set its key in {quoted_path(deployment.file)}, which only its owner may read"])
