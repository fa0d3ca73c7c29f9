"""The alerts: `deploy alerts`, and the rule of `deploy kubernetes --prometheus-rule`, as Prometheus evaluates them."""

import pytest
import yaml
from support.deploy_folders import documents
from support.fronts import requires
from support.prometheus import promtool

from crawler.deploy.alerts import alert_rules

pytestmark = requires("promtool", "prometheus")

HOUR = 60
"""In steps of the series, which are a minute each."""

FIRING = 'count by (alertname, target, cronjob) (ALERTS{alertname="%s", alertstate="firing"})'


async def unit_test(folder, rules, series, expected, at="30h"):
    """Evaluate rules on series; `expected` are the alerts that fire, each with its target or cronjob."""
    (folder / "rules.yaml").write_text(rules)
    names = {alert for alert, _ in expected} | set(alert_names(rules))
    tests = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {
                        "expr": FIRING % name,
                        "eval_time": at,
                        "exp_samples": [
                            {"labels": labels_text({"alertname": alert, **labels}), "value": 1}
                            for alert, labels in expected
                            if alert == name
                        ],
                    }
                    for name in sorted(names)
                ],
            }
        ],
    }
    (folder / "tests.yaml").write_text(yaml.safe_dump(tests))
    return await promtool("test", "rules", folder / "tests.yaml")


def labels_text(labels):
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def alert_names(rules):
    return [rule["alert"] for group in yaml.safe_load(rules)["groups"] for rule in group["rules"]]


@pytest.fixture
def rules():
    return alert_rules().text


def of(metric, **labels):
    """A series of one target, as node_exporter has it."""
    return f"registry_crawler_{metric}" + labels_text({"instance": "a:9100", "target": "gcr.io/p", **labels})


HEALTHY = {
    of("last_attempt_timestamp_seconds"): f"0x{24 * HOUR} {24 * 3600}x{40 * HOUR}",
    of("last_complete_timestamp_seconds"): f"0x{24 * HOUR} {24 * 3600}x{40 * HOUR}",
    of("repositories", outcome="ok"): f"100x{70 * HOUR}",
    of("change", of="repositories"): f"-20x{70 * HOUR}",
    of("change", of="tags"): f"-90x{70 * HOUR}",
}
"""A target that had a complete snapshot at the beginning, and another a day later."""

TARGET = {"target": "gcr.io/p"}


async def test_alerts_are_rules_that_prometheus_reads(command, rules, tmp_path):
    ended = await command("deploy", "alerts")
    assert (ended.code, ended.out) == (0, rules)
    (tmp_path / "rules.yaml").write_text(ended.out)
    code, printed = await promtool("check", "rules", tmp_path / "rules.yaml")
    assert code == 0, printed
    assert "4 rules found" in printed


async def test_alerts_are_silent_after_a_good_night(rules, tmp_path):
    assert (await unit_test(tmp_path, rules, HEALTHY, []))[0] == 0
    noisy = await unit_test(tmp_path, rules, HEALTHY, [("RegistryCrawlerShrunk", TARGET)])
    assert noisy[0] != 0, "the test must be able to fail"


@pytest.mark.parametrize(("at", "fires"), [("26h", False), ("26h15m", True)])
async def test_alerts_tell_of_no_complete_snapshot_for_26_hours(rules, tmp_path, at, fires):
    series = {**HEALTHY, of("last_complete_timestamp_seconds"): f"0x{70 * HOUR}"}
    expected = [("RegistryCrawlerNoCompleteSnapshot", TARGET)] if fires else []
    code, printed = await unit_test(tmp_path, rules, series, expected, at)
    assert code == 0, printed


async def test_alerts_tell_of_a_target_that_was_never_complete(rules, tmp_path):
    series = {name: values for name, values in HEALTHY.items() if "last_complete" not in name}
    code, printed = await unit_test(tmp_path, rules, series, [("RegistryCrawlerNeverComplete", TARGET)])
    assert code == 0, printed
    assert (await unit_test(tmp_path, rules, series, [], at="25h"))[0] == 0


@pytest.mark.parametrize(("ok", "change", "fires"), [(80, -20, False), (79, -21, True), (0, -5, True), (5, 5, False)])
async def test_alerts_tell_of_a_snapshot_that_shrank(rules, tmp_path, ok, change, fires):
    series = {
        **HEALTHY,
        of("repositories", outcome="ok"): f"{ok}x{70 * HOUR}",
        of("repositories", outcome="denied"): f"3x{70 * HOUR}",
        of("change", of="repositories"): f"{change}x{70 * HOUR}",
    }
    expected = [("RegistryCrawlerShrunk", TARGET)] if fires else []
    code, printed = await unit_test(tmp_path, rules, series, expected)
    assert code == 0, printed


async def test_alerts_tell_that_there_are_no_metrics(rules, tmp_path):
    code, printed = await unit_test(tmp_path, rules, {"up": f"1x{70 * HOUR}"}, [("RegistryCrawlerMetricsMissing", {})])
    assert code == 0, printed


# Kubernetes


async def kubernetes_rules(command, tmp_path, *options):
    (tmp_path / "config.toml").write_text('registry.target = "localhost:5000"')
    ended = await command(
        "deploy", "kubernetes", "--config", "config.toml", "--image", "x", "--prometheus-rule", *options
    )
    manifest = documents(ended.out)["PrometheusRule"]
    return manifest, yaml.safe_dump(manifest["spec"]), ended.err


@pytest.mark.parametrize(
    ("series", "fires"),
    [
        (
            {"kube_cronjob_status_last_successful_time": f"0x{70 * HOUR}", "kube_cronjob_created": f"0x{70 * HOUR}"},
            True,
        ),
        (
            {
                "kube_cronjob_status_last_successful_time": f"0x{24 * HOUR} {24 * 3600}x{40 * HOUR}",
                "kube_cronjob_created": f"0x{70 * HOUR}",
            },
            False,
        ),
        ({"kube_cronjob_created": f"0x{70 * HOUR}"}, True),
        ({"kube_cronjob_created": f"_x{20 * HOUR} {20 * 3600}x{40 * HOUR}"}, False),
    ],
    ids=["26 hours ago", "last night", "never", "deployed today"],
)
async def test_alerts_of_kubernetes_tell_of_no_complete_snapshot(command, tmp_path, series, fires):
    _, rules, _ = await kubernetes_rules(command, tmp_path, "--namespace", "ops", "--name", "nightly")
    labels = '{cronjob="nightly", namespace="ops", instance="ksm:8080"}'
    others = {'kube_cronjob_created{cronjob="nightly", namespace="other"}': f"0x{70 * HOUR}"}
    found = {f"{name}{labels}": values for name, values in series.items()}
    expected = [("RegistryCrawlerNoCompleteSnapshot", {"cronjob": "nightly"})] if fires else []
    code, printed = await unit_test(tmp_path, rules, found | others, expected)
    assert code == 0, printed


async def test_alerts_of_kubernetes_are_a_manifest_of_the_operator(command, tmp_path):
    manifest, rules, notes = await kubernetes_rules(command, tmp_path)
    assert (manifest["apiVersion"], manifest["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert alert_names(rules) == ["RegistryCrawlerNoCompleteSnapshot"]
    assert 'verdict.max_shrink is not set: no alert tells of a snapshot that shrank; set it to "20%"' in notes
