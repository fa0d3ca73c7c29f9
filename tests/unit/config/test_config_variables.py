"""Environment variables: long and short names, unknown ones, and credentials for one of several registries."""

import pytest
from support.config_errors import PREFIX, SECRET, config_error, config_errors

from crawler.config import Config, OutputConfig
from crawler.errors import ConfigError


def test_environment_variables_that_are_empty_count_as_not_set(monkeypatch):
    for name in ("LIMITS__RATE", "USERNAME", "PASSWORD", "OUTPUT__PATH", "REGISTRY__AUTH__KEY_FILE", "LIMIT", "NONE"):
        monkeypatch.setenv(PREFIX + name, "")
    assert Config.load(targets=["localhost:5000"]) == Config(registry=[{"target": "localhost:5000"}])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("LIMITS__CONCURENCY", "unknown variable; did you mean REGISTRY_CRAWLER_LIMITS__CONCURRENCY?"),
        ("LIMITS_RATE", "unknown variable; did you mean REGISTRY_CRAWLER_LIMITS__RATE?"),
        ("CONCURRENCY", "unknown variable; did you mean REGISTRY_CRAWLER_LIMITS__CONCURRENCY?"),
        ("REGISTRY__AUTH__PASWORD", "unknown variable; did you mean REGISTRY_CRAWLER_REGISTRY__AUTH__PASSWORD?"),
        ("PASWORD", "unknown variable; did you mean REGISTRY_CRAWLER_PASSWORD?"),
        ("REGISTRY__PASSWORD", "unknown variable; did you mean REGISTRY_CRAWLER_REGISTRY__AUTH__PASSWORD?"),
        ("REGISTRY__APIS__DOCKER", "unknown variable; did you mean REGISTRY_CRAWLER_REGISTRY__APIS__DOCKER_HUB?"),
        ("ZZZZZZ__QQQQQQ__XXXXXXXXXXXXXXX__YYYYYYY", "unknown variable"),
        ("LIMITS__RATE__SECONDS", "unknown variable; did you mean REGISTRY_CRAWLER_LIMITS__RATE?"),
        ("limits__concurency", "unknown variable; did you mean REGISTRY_CRAWLER_LIMITS__CONCURRENCY?"),
        (
            "LIMITS",
            "names a table; each key of it has a variable of its own, such as REGISTRY_CRAWLER_LIMITS__CONCURRENCY",
        ),
        (
            "REGISTRY__AUTH",
            f"names a table; each key of it has a variable of its own, such as {PREFIX}REGISTRY__AUTH__METHOD",
        ),
    ],
)
def test_environment_variables_that_are_unknown_are_errors(monkeypatch, name, message):
    monkeypatch.setenv(PREFIX + name, SECRET)
    assert config_error(targets=["localhost:5000"]) == f"{PREFIX}{name}: {message}"
    with pytest.raises(ConfigError, match=name):
        OutputConfig.load(None)


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_environment_variables_in_either_case_are_named_as_they_are_spelt(monkeypatch, case):
    monkeypatch.setenv(case(f"{PREFIX}LIMITS__CONCURRENCY"), "7")
    assert Config.load(targets=["localhost:5000"]).limits.concurrency == 7
    monkeypatch.setenv(case(f"{PREFIX}LIMITS__CONCURRENCY"), "many")
    assert config_error(targets=["localhost:5000"]).startswith(case(f"{PREFIX}LIMITS__CONCURRENCY") + ": ")


def test_environment_variables_of_a_kubernetes_service_come_with_advice(monkeypatch):
    names = [
        "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_80_TCP", "PORT_80_TCP_PROTO",
        "PORT_80_TCP_PORT", "PORT_80_TCP_ADDR", "UI_SERVICE_HOST",
    ]  # fmt: skip
    for name in names:
        monkeypatch.setenv(PREFIX + name, "tcp://10.0.0.1:80")
    error = config_error(targets=["localhost:5000"])
    assert all(PREFIX + name in error for name in names)
    assert error.endswith(
        "unknown variable: Kubernetes sets it for a Service of that name; set enableServiceLinks: false for the pod"
    )


def test_environment_variables_that_are_unknown_come_with_the_other_errors(monkeypatch):
    monkeypatch.setenv(f"{PREFIX}LIMITS__RATES", "1/s")
    monkeypatch.setenv(f"{PREFIX}LIMITS__ATTEMPTS", "0")
    errors = config_errors(targets=["https://gcr.io"])
    assert [line.partition(":")[0] for line in errors] == [
        f"{PREFIX}LIMITS__RATES",
        "TARGET 'https",
        f"{PREFIX}LIMITS__ATTEMPTS",
    ]


def test_environment_variables_lose_a_bom_and_the_last_newline(monkeypatch):
    """A secret that was made with `echo` ends with a newline."""
    monkeypatch.setenv(f"{PREFIX}USERNAME", "reader\n")
    monkeypatch.setenv(f"{PREFIX}PASSWORD", f"\ufeff{SECRET}\r\n")
    monkeypatch.setenv(f"{PREFIX}LIMITS__CONCURRENCY", "7\n")
    monkeypatch.setenv(f"{PREFIX}OUTPUT__COMPRESSION", "\n")
    config = Config.load(targets=["localhost:5000"])
    (registry,) = config.registry
    assert (registry.auth.username, registry.auth.password.get_secret_value()) == ("reader", SECRET)
    assert (config.limits.concurrency, config.output.compression) == (7, "none")


def test_environment_variables_for_username_and_password_are_short(write, monkeypatch):
    monkeypatch.setenv(f"{PREFIX}USERNAME", "reader")
    monkeypatch.setenv(f"{PREFIX}PASSWORD", SECRET)
    auth = Config.load(targets=["localhost:5000"]).registry[0].auth
    assert (auth.username, auth.password.get_secret_value()) == ("reader", SECRET)
    file = write(f'[registry]\ntarget = "gcr.io"\n[registry.auth]\nusername = "other"\npassword = "x{SECRET}"\n')
    auth = Config.load(file).registry[0].auth
    assert (auth.username, auth.password.get_secret_value()) == ("reader", SECRET)


def test_environment_variables_for_username_and_password_may_be_long(monkeypatch):
    monkeypatch.setenv(f"{PREFIX}REGISTRY__TARGET", "localhost:5000")
    monkeypatch.setenv(f"{PREFIX}REGISTRY__AUTH__USERNAME", "reader")
    monkeypatch.setenv(f"{PREFIX}REGISTRY__AUTH__PASSWORD", SECRET)
    registry = Config.load().registry[0]
    assert (str(registry.target), registry.auth.username) == ("localhost:5000", "reader")


def test_environment_password_may_look_like_json_or_a_number(monkeypatch):
    monkeypatch.setenv(f"{PREFIX}USERNAME", "12345")
    for password in ["12345", '{"type": "service_account"}', "[1, 2]", "null", "a,b c", " x "]:
        monkeypatch.setenv(f"{PREFIX}PASSWORD", password)
        assert Config.load(targets=["gcr.io"]).registry[0].auth.password.get_secret_value() == password


def test_environment_password_is_for_the_registry_with_a_username(write, monkeypatch):
    """One registry has a key file, the other a username."""
    file = write(
        '[[registry]]\ntarget = "gcr.io/my-project"\n[registry.auth]\nkey_file = "key.json"\n'
        '[[registry]]\ntarget = "registry.example.com"\n[registry.auth]\nusername = "reader"\n'
    )
    monkeypatch.setenv(f"{PREFIX}PASSWORD", SECRET)
    google, own = Config.load(file).registry
    assert google.auth.password is None
    assert own.auth.password.get_secret_value() == SECRET


def test_environment_variables_without_the_prefix_are_ignored(monkeypatch):
    monkeypatch.setenv("REGISTRY_HTTP_ADDR", "x")
    monkeypatch.setenv("LIMITS__CONCURRENCY", "x")
    assert Config.load(targets=["gcr.io"]).limits.concurrency == 64
