"""Which values do the options have that no configuration checks? Every mistake is named at once."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Self

from crawler.errors import ConfigError
from crawler.untrusted_text import printable

_CRON_FIELD: Final = r"[0-9A-Za-z*/,-]+"


@dataclass(frozen=True, slots=True)
class OptionCheck:
    """One option, its value, and the form that the value must have.

    Attributes:
        option: the option, as `--help` shows it.
        form: completes the sentence "must be …".
    """

    option: str
    value: str
    pattern: str
    form: str

    @classmethod
    def of_name(cls, name: str) -> Self:
        """A name that Kubernetes (52 characters for a CronJob), Cloud Run and systemd accept."""
        return cls(
            "--name",
            name,
            r"[a-z]([-a-z0-9]{0,46}[a-z0-9])?",
            "at most 48 lower-case letters, digits and '-', and begin with a letter",
        )

    @classmethod
    def of_sharded_name(cls, name: str) -> Self:
        """A name to which the CronJob of the merge adds `-merge`."""
        return cls("--name", name, r".{0,46}", "at most 46 characters with --shards")

    @classmethod
    def of_image(cls, image: str) -> Self:
        return cls("--image", image, r"[\w.:/@-]+", "an image: registry.example.com/tools/registry-crawler:0.1.0")

    @classmethod
    def of_cron_schedule(cls, schedule: str) -> Self:
        form = "five fields, minute hour day month weekday: '15 2 * * *'"
        return cls("--schedule", schedule, rf"{_CRON_FIELD}( {_CRON_FIELD}){{4}}", form)

    @classmethod
    def of_absolute_path(cls, option: str, path: PurePosixPath) -> Self:
        return cls(option, str(path), r"/[^\x00-\x1f]+", "an absolute path")

    @property
    def mistake(self) -> str:
        """What is wrong with the value; "" where nothing is."""
        if re.fullmatch(self.pattern, self.value, re.ASCII) is not None:
            return ""
        return f"{self.option}: must be {self.form} (got '{printable(self.value, 80)}')"


def check_options(*checks: OptionCheck) -> None:
    """Raises ConfigError with every mistake."""
    mistakes = [check.mistake for check in checks if check.mistake]
    if mistakes:
        raise ConfigError(mistakes)
