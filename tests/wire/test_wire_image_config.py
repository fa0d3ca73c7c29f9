"""An image's config: what is read from it, and what never is."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.json_values import flat, text

from crawler.errors import MalformedResponse
from crawler.model.image import ImageConfig
from crawler.wire.image_config import parse_image_config

LAYER = f"sha256:{'ab' * 32}"

DOCKER = {
    "architecture": "arm64",
    "variant": "v8",
    "os": "linux",
    "created": "2026-03-17T21:58:01.243987123+02:00",
    "author": "someone",
    "config": {
        "User": "65532:65532",
        "ExposedPorts": {"9090/tcp": {}, "53/udp": {}, "8080/tcp": {}},
        "Env": ["PATH=/usr/bin:/bin", "TOKEN=hunter2", "EMPTY=", "TOKEN=again", "URL=https://h/?a=hunter2"],
        "Entrypoint": ["/sbin/tini", "--", "run", "--"],
        "Cmd": ["serve"],
        "WorkingDir": "/app",
        "Healthcheck": {"Test": ["CMD-SHELL", "curl -f http://localhost/"], "Interval": 30000000000},
        "Labels": {"org.opencontainers.image.base.name": "debian:13", "team": ""},
        "Volumes": {"/data": {}},
    },
    "rootfs": {"type": "layers", "diff_ids": [LAYER, LAYER]},
    "history": [{"created_by": "ARG PASSWORD=hunter2"}],
}


def parse(document):
    return parse_image_config(json.dumps(document).encode())


def execution(**fields):
    return parse({"config": fields})


def test_image_config_is_parsed_completely():
    assert parse(DOCKER) == ImageConfig(
        os="linux",
        architecture="arm64",
        variant="v8",
        created_at="2026-03-17T19:58:01.243Z",
        user="65532:65532",
        entrypoint=("/sbin/tini", "--", "run", "--"),
        cmd=("serve",),
        working_dir="/app",
        exposed_ports=("53/udp", "8080/tcp", "9090/tcp"),
        env_names=("PATH", "TOKEN", "EMPTY", "URL"),
        healthcheck=True,
        labels={"org.opencontainers.image.base.name": "debian:13", "team": ""},
        diff_ids=(LAYER, LAYER),
    )


def test_image_config_has_neither_values_of_the_environment_nor_the_history():
    assert "hunter2" not in repr(parse(DOCKER))


def test_image_config_of_an_empty_object_has_no_values():
    assert parse({}) == ImageConfig(healthcheck=False)


@pytest.mark.parametrize("nothing", [{"config": None, "rootfs": None}, {"config": [], "rootfs": "layers"}])
def test_image_config_with_parts_of_another_type_has_no_values(nothing):
    assert parse(nothing) == ImageConfig(healthcheck=False)


@pytest.mark.parametrize(
    ("written", "user"), [("", ""), ("root", "root"), ("0:0", "0:0"), (None, None), (1000, None), ([], None)]
)
def test_image_config_user_may_be_empty(written, user):
    assert execution(User=written).user == user


@pytest.mark.parametrize(
    ("written", "command"),
    [
        (["sh", "-c", "a", "a"], ("sh", "-c", "a", "a")),
        ("/bin/sh", ("/bin/sh",)),
        ([], ()),
        (None, None),
        (["a", 7, None, "b"], ("a", "b")),
        ({}, None),
    ],
)
def test_image_config_command_is_a_list(written, command):
    config = execution(Entrypoint=written, Cmd=written)
    assert config.entrypoint == config.cmd == command


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (["A=1", "B=2=3", "A=4"], ("A", "B")),
        (["A="], ("A",)),
        (["hunter2", "=hunter2", 7, None, ["A=1"]], ()),
        ([], ()),
        (None, None),
        ("A=1", None),
    ],
)
def test_image_config_env_has_names_only(written, names):
    assert execution(Env=written).env_names == names


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ({"Test": ["CMD", "true"]}, True),
        ({"Interval": 5}, True),
        ({"Test": ["NONE"]}, False),
        (None, False),
        ("CMD true", False),
    ],
)
def test_image_config_healthcheck_may_be_switched_off(check, expected):
    assert execution(Healthcheck=check).healthcheck is expected


@pytest.mark.parametrize(
    ("labels", "expected"), [({"a": "b", "c": 1, "d": None}, {"a": "b"}), ({}, {}), (None, None), (["a"], None)]
)
def test_image_config_labels_are_strings(labels, expected):
    assert execution(Labels=labels).labels == expected


@pytest.mark.parametrize("ports", [None, [], "80/tcp"])
def test_image_config_ports_that_are_no_object_are_none(ports):
    assert execution(ExposedPorts=ports).exposed_ports is None


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2026-03-17T21:58:01Z", "2026-03-17T21:58:01.000Z"),
        ("2026-03-17T21:58:01.9999999Z", "2026-03-17T21:58:01.999Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
        ("1980-01-01T00:00:01Z", "1980-01-01T00:00:01.000Z"),
        ("0001-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+08:00", None),
        ("9999-12-31T23:59:59-08:00", None),
        ("2026-13-01T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
        (1773784681, None),
        (None, None),
    ],
)
def test_image_config_time_is_in_utc_milliseconds(created, expected):
    assert parse({"created": created}).created_at == expected


@given(st.datetimes(datetime(2, 1, 3), datetime(9999, 12, 30)), st.integers(-12, 12))  # noqa: DTZ001
def test_image_config_time_of_any_zone_is_converted(time, hours):
    created = parse({"created": f"{(time + timedelta(hours=hours)).isoformat()}{hours:+03d}:00"}).created_at
    assert datetime.fromisoformat(created) == time.replace(microsecond=time.microsecond // 1000 * 1000, tzinfo=UTC)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'"hunter2"', b"{", b"\x1f\x8b\x08\x00hunter2", b'{"a":' * 9999])
def test_image_config_that_is_no_object_is_malformed_and_not_quoted(body):
    with pytest.raises(MalformedResponse) as refused:
        parse_image_config(body)
    assert "hunter2" not in str(refused.value)


def is_typed(config):
    strings = (config.os, config.architecture, config.variant, config.created_at, config.user, config.working_dir)
    lists = (config.entrypoint, config.cmd, config.exposed_ports, config.env_names, config.diff_ids)
    return (
        all(value is None or type(value) is str for value in strings)
        and all(value is None or (type(value) is tuple and {*map(type, value)} <= {str}) for value in lists)
        and type(config.healthcheck) is bool
        and (config.labels is None or {type(part) for label in config.labels.items() for part in label} <= {str})
    )


inner_keys = st.sampled_from(
    ["User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "WorkingDir", "Healthcheck", "Labels", "Test", "diff_ids"]
)
inner = st.dictionaries(inner_keys | text, flat, max_size=6)
outer_keys = st.sampled_from(["os", "architecture", "variant", "created", "config", "rootfs", "history"])


@given(st.dictionaries(outer_keys | text, inner | flat, max_size=6))
def test_image_config_of_any_json_has_the_promised_types(document):
    assert is_typed(parse(document))


@given(st.binary())
def test_image_config_of_any_bytes_is_a_config_or_malformed(body):
    try:
        config = parse_image_config(body)
    except MalformedResponse:
        return
    assert is_typed(config)


SECRET = "5fc6b1e2-hunter2"
ends = st.sampled_from([f"={SECRET}", f"=a={SECRET}", f"=\n={SECRET}="])
entries = st.tuples(st.text(max_size=8), ends).map("".join)


@given(st.lists(entries | st.just(SECRET) | st.just(f"={SECRET}") | flat, max_size=5), st.lists(entries, max_size=3))
def test_image_config_never_shows_a_value_of_the_environment(env, history):
    document = {"config": {"Env": env}, "history": [{"created_by": line, "comment": line} for line in history]}
    assert SECRET not in repr(parse(document))
