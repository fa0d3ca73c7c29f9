"""The options of a crawl, which become its configuration: for `crawl`, and for the commands that take what it takes."""

from typing import TYPE_CHECKING

from crawler.cli import logs, options
from crawler.cli.error_output import report_error
from crawler.cli.exit_codes import BAD_USAGE
from crawler.cli.password_input import password_line
from crawler.errors import ConfigError

if TYPE_CHECKING:
    from crawler.config import Config


def crawl_config(
    targets: options.Targets = None,
    config: options.ConfigFile = None,
    output: options.Output = None,
    auth: options.Auth = None,
    key_file: options.KeyFile = None,
    username: options.Username = None,
    password_stdin: options.PasswordStdin = False,
    password_file: options.PasswordFile = None,
    scope: options.Scope = None,
    impersonate: options.Impersonate = None,
    kind: options.Kind = None,
    discovery: options.Discovery = None,
    images_from: options.ImagesFrom = None,
    repositories_from: options.RepositoriesFrom = None,
    include: options.Include = None,
    exclude: options.Exclude = None,
    depth: options.Depth = None,
    referrers: options.Referrers = None,
    include_tag: options.IncludeTag = None,
    exclude_tag: options.ExcludeTag = None,
    cache: options.Cache = None,
    lake: options.Lake = None,
    metrics_file: options.MetricsFile = None,
    pushgateway: options.Pushgateway = None,
    notify: options.Notify = None,
    concurrency: options.Concurrency = None,
    rate: options.Rate = None,
    budget: options.Budget = None,
    expect: options.Expect = None,
    max_shrink: options.MaxShrink = None,
    partial_ok: options.PartialOk = False,
    shard: options.ShardOption = None,
    group: options.Group = None,
    engine: options.Engine = None,
    workers: options.Workers = None,
    names_from: options.NamesFrom = None,
    no_lock: options.NoLock = False,
    plain_http: options.PlainHttp = None,
    ca_file: options.CaFile = None,
    log_format: options.LogFormatOption = logs.LogFormat.TEXT,
    verbose: options.Verbose = 0,
) -> "Config":
    """The configuration that the options of a crawl make. Ends the command where they have mistakes."""
    from crawler.config import Config, Flag

    logs.configure(log_format, verbose)
    values = {
        "--output": ("output.path", output),
        "--auth": ("registry.auth.method", auth),
        "--key-file": ("registry.auth.key_file", key_file),
        "--username": ("registry.auth.username", username),
        "--password-stdin": ("registry.auth.password", password_line() if password_stdin else None),
        "--password-file": ("registry.auth.password_file", password_file),
        "--scope": ("registry.auth.scope", scope),
        "--impersonate": ("registry.auth.impersonate", impersonate),
        "--kind": ("registry.kind", kind),
        "--discovery": ("registry.discovery", discovery),
        "--images-from": ("registry.images_from", images_from),
        "--repositories-from": ("registry.repositories_from", repositories_from),
        "--include": ("registry.include", include or None),
        "--exclude": ("registry.exclude", exclude or None),
        "--depth": ("images.depth", depth),
        "--referrers": ("images.referrers", referrers),
        "--include-tag": ("images.include_tags", include_tag or None),
        "--exclude-tag": ("images.exclude_tags", exclude_tag or None),
        "--cache": ("cache.path", cache),
        "--lake": ("lake.url", lake),
        "--metrics": ("metrics.textfile", metrics_file),
        "--pushgateway": ("metrics.pushgateway", pushgateway),
        "--notify": ("notify.url", notify),
        "--concurrency": ("limits.concurrency", concurrency),
        "--rate": ("limits.rate", rate),
        "--budget": ("limits.budget", budget),
        "--expect": ("verdict.expect", expect),
        "--max-shrink": ("verdict.max_shrink", max_shrink),
        "--partial-ok": ("verdict.partial_ok", partial_ok or None),
        "--shard": ("scale.shard", shard),
        "--group": ("scale.group", group),
        "--engine": ("scale.engine", engine),
        "--workers": ("scale.workers", workers),
        "--names-from": ("scale.names_from", names_from),
        "--no-lock": ("output.lock", False if no_lock else None),
        "--plain-http": ("registry.plain_http", plain_http),
        "--ca-file": ("registry.ca_file", ca_file),
    }
    flags = [Flag(name, key, value) for name, (key, value) in values.items() if value is not None]
    try:
        return Config.load(config, targets=targets or (), flags=flags)
    except ConfigError as exc:
        report_error(exc, BAD_USAGE)
