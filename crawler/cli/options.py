"""The options of the commands, as `--help` shows them. Defaults are the configuration's, where `crawl` has a key.

Values that the configuration checks are taken as text: so all mistakes are named together, and in the same words.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from crawler.cli.logs import LogFormat
from crawler.model.auth_method import AuthMethod
from crawler.profiles import PROFILES_BY_KIND, DiscoveryMethod


def _one_of(values: type[StrEnum]) -> str:
    return ", ".join(values)


def _kinds() -> list[str]:
    return list(PROFILES_BY_KIND)


Targets = Annotated[list[str] | None, typer.Argument(metavar="TARGET", hidden=True)]
"""Hidden from the list of arguments, where it would have Python's type; the usage line has it."""
RunId = Annotated[str, typer.Argument(metavar="RUN_ID", hidden=True)]
ConfigFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Configuration, as in config.example.toml")]
Output = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Folder for snapshots; - streams the records to standard output  [default: snapshots]",
    ),
]
OutputFolder = Annotated[str | None, typer.Option("--output", metavar="DIR", help="Folder for snapshots, as for crawl")]
Auth = Annotated[
    AuthMethod | None,
    typer.Option(metavar="METHOD", help=f"Authentication method: {_one_of(AuthMethod)}  [default: auto]"),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Service account key  [default: Application Default Credentials]"),
]
Username = Annotated[str | None, typer.Option(metavar="NAME", help="User name, for --auth basic and token")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input")
]
PasswordFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Read the password from this file")]
Scope = Annotated[
    str | None,
    typer.Option(metavar="SCOPE", help="OAuth scope, short or as a URL  [default: cloud-platform.read-only]"),
]
Impersonate = Annotated[str | None, typer.Option(metavar="ACCOUNT", help="Impersonate another service account")]
Kind = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        autocompletion=_kinds,
        help="Registry product, for hosts that are not recognised: harbor, quay, nexus, …  [default: by host]",
    ),
]
Discovery = Annotated[
    DiscoveryMethod | None,
    typer.Option(
        metavar="METHOD", help=f"Where repository names come from: {_one_of(DiscoveryMethod)}  [default: auto]"
    ),
]
ImagesFrom = Annotated[
    str | None,
    typer.Option(
        metavar="SOURCE",
        help="listing, or api with --discovery artifact-registry  [default: listing]",
    ),
]
RepositoriesFrom = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Repository names, one a line; - reads standard input"),
]
Include = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="Crawl only the repositories whose full name matches; repeatable"),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="Leave out the repositories whose full name matches; repeatable, wins"),
]
Concurrency = Annotated[
    str | None, typer.Option(metavar="N", help="Exchanges in flight at one registry  [default: 64]")
]
Rate = Annotated[
    str | None,
    typer.Option(
        metavar="RATE",
        help="80/s, 50000/10m, none, or auto: the host's published quota, no limit for unknown hosts  [default: auto]",
    ),
]
Expect = Annotated[
    str | None,
    typer.Option(metavar="N", help="Fewer repositories than this make the snapshot partial  [default: 1]"),
]
MaxShrink = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE",
        help="Shrinking by more than this since the last complete snapshot makes it partial: 20%  [default: any]",
    ),
]
PartialOk = Annotated[bool, typer.Option("--partial-ok", help="Exit with 0 for a partial snapshot, too")]
NoLock = Annotated[
    bool,
    typer.Option("--no-lock", help="For file systems without locks: let only one crawl at a time write there"),
]
PlainHttp = Annotated[
    bool | None, typer.Option(help="Use http instead of https  [default: http for this machine only]")
]
CaFile = Annotated[Path | None, typer.Option(metavar="FILE", help="CA certificates in PEM  [default: the system's]")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the newest unfinished run of the target")]
ShowProgress = Annotated[
    bool | None,
    typer.Option(
        "--progress/--no-progress", help="A bar on a terminal, elsewhere a line every 10 s  [default: progress]"
    ),
]
Show = Annotated[
    int, typer.Option(metavar="N", min=0, help="Print this many records of the snapshot to standard output")
]
LogFormatOption = Annotated[
    LogFormat,
    typer.Option("--log-format", metavar="FORMAT", help=f"Format of standard error: {_one_of(LogFormat)}"),
]
Verbose = Annotated[
    int,
    typer.Option("--verbose", "-v", count=True, show_default=False, help="Say more; twice: log every exchange"),
]
