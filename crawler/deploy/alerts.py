"""Prometheus: rules that say when the nights go wrong."""

from crawler.deploy.deployment import Printed
from crawler.deploy.render import render

_NOTE = (
    "add the file to rule_files of prometheus.yml; the metrics come from `crawl --metrics FILE`, "
    "`crawl --pushgateway URL`, or `metrics --textfile FILE` after each crawl"
)


def alert_rules() -> Printed:
    """A file of rules for the metrics of `registry-crawler metrics`."""
    return Printed(render("alerts.yaml"), (_NOTE,))
