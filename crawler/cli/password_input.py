"""The password that comes on standard input: `--password-stdin`."""

import sys

from crawler.cli.error_output import report_error
from crawler.cli.exit_codes import BAD_USAGE
from crawler.errors import ConfigError


def password_line() -> str:
    """The first line of standard input. Ends the command where it cannot be read."""
    # from the bytes: the text layer reads ahead, and would take the names that may follow (--repositories-from -)
    try:
        line = sys.stdin.buffer.readline()
    except OSError as exc:
        report_error(ConfigError([f"--password-stdin: standard input cannot be read: {exc.strerror}"]), BAD_USAGE)
    return line.decode("utf-8-sig", "replace").rstrip("\r\n")
