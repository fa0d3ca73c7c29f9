"""The options of the commands, as `--help` shows them.

An option that has a key is None unless it is given: its default is the one of `config.schema`, which the help repeats
and tests/cli/test_help.py compares. Its value is taken as text and checked by the configuration, which reports all
mistakes together and in the same words.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from crawler.cli.logs import LogFormat
from crawler.model.auth_method import AuthMethod
from crawler.model.depth import Depth as DepthLevel
from crawler.model.depth import ReferrersLevel
from crawler.profiles import PROFILES_BY_KIND, DiscoveryMethod


def _one_of(values: type[StrEnum]) -> str:
    return ", ".join(values)


def _kinds() -> list[str]:
    return list(PROFILES_BY_KIND)


Targets = Annotated[list[str] | None, typer.Argument(metavar="TARGET", hidden=True)]
"""Hidden from the list of arguments, where typer shows Python's type `list[str]`; the usage line shows [TARGET]..."""
RunId = Annotated[str, typer.Argument(metavar="RUN_ID", hidden=True)]
ConfigFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Configuration file, as config.example.toml")]
Output = Annotated[
    str | None,
    typer.Option(
        metavar="DIR",
        help="Folder for snapshots; - streams records to standard output  [default: snapshots]",
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
Username = Annotated[str | None, typer.Option(metavar="NAME", help="Username, for --auth basic and token")]
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
        help="Where images come from: listing, api (the product's own API), or auto: the API where it spares exchanges"
        "  [default: auto]",
    ),
]
RepositoriesFrom = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="File of repository names, one per line; - reads standard input"),
]
Include = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="Crawl only repositories whose full name matches; repeatable"),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="Skip repositories whose full name matches; repeatable, overrides --include"),
]
Depth = Annotated[
    DepthLevel | None,
    typer.Option(
        metavar="LEVEL",
        help="How deep the image behind each tag is read: tags (not at all), digests, manifests (platforms, layers), "
        "configs (user, labels, base image)  [default: tags]",
    ),
]
Referrers = Annotated[
    ReferrersLevel | None,
    typer.Option(
        metavar="LEVEL",
        help="How signatures, SBOMs and other referrers are found: none, listed (without further requests), "
        "api (also one request per image)  [default: none]",
    ),
]
IncludeTag = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="With --depth: read only images with a tag that matches; repeatable"),
]
ExcludeTag = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="With --depth: skip tags that match; repeatable, overrides --include-tag"),
]
Lake = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Publish the snapshot there too, or upload the shard for merge: s3://BUCKET/PATH, gs://…, az://… or "
        "file:///FOLDER  [default: none]",
    ),
]
MetricsFile = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="FILE",
        help="Replace this file for node_exporter (Prometheus) after each run  [default: none]",
    ),
]
Pushgateway = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Push metrics to a Pushgateway (Prometheus) after each run  [default: none]"),
]
Notify = Annotated[
    str | None, typer.Option(metavar="URL", help="POST a CloudEvent there after each run  [default: none]")
]
Cache = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="File, or object in a lake (s3://BUCKET/FILE), that keeps what was read of each digest, or none  "
        "[default: .cache/digests.sqlite in the output]",
    ),
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
Budget = Annotated[
    str | None,
    typer.Option(
        metavar="N",
        help="Exchanges for --depth and --referrers; once they are spent the snapshot is partial  [default: none]",
    ),
]
Expect = Annotated[
    str | None,
    typer.Option(metavar="N", help="With fewer repositories the snapshot is partial  [default: 1]"),
]
MaxShrink = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE",
        help="With a greater decrease since the last complete snapshot the snapshot is partial: 20%  [default: none]",
    ),
]
PartialOk = Annotated[bool, typer.Option("--partial-ok", help="Exit with 0 for a partial snapshot too")]
NoLock = Annotated[
    bool,
    typer.Option(
        "--no-lock", help="Do not lock the output folder, for file systems without locks: run one crawl at a time"
    ),
]
PlainHttp = Annotated[
    bool | None, typer.Option(help="Use http instead of https  [default: http for this machine only]")
]
CaFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="CA certificates in PEM format  [default: the system's]")
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="INDEX/COUNT",
        help="Take one part of the snapshot, counted from 0: 3/8, or env, env/8: by the variables of the scheduler",
    ),
]
Group = Annotated[
    str | None,
    typer.Option(
        metavar="ID", help="With --shard or --engine: what the shards of one snapshot have in common, for `merge`"
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(metavar="ENGINE", help="Have workers take one shard each, and merge them: ray  [default: none]"),
]
Workers = Annotated[str | None, typer.Option(metavar="N", help="With --engine: how many workers, and shards")]
NamesFrom = Annotated[
    str | None,
    typer.Option(
        metavar="WHERE",
        help="With --shard: group (one shard reads the names, the others take them from it) or registry (each reads "
        "them itself)  [default: group]",
    ),
]
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
    typer.Option("--verbose", "-v", count=True, show_default=False, help="Log more; -vv logs every exchange"),
]
