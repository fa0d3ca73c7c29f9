"""The table of a record's fields, and what follows from it: lines, their check, the JSON Schema and the README."""

import re
import subprocess
import sys
from collections.abc import Iterator
from enum import StrEnum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.json_values import text
from support.readme import README
from support.run_folders import problem, record

from crawler.model.image import (
    BaseSource,
    Image,
    ImageConfig,
    ImageKind,
    ImageManifest,
    Layer,
    Platform,
    PlatformRole,
    Referrer,
    ReferrerKind,
    ReferrerSource,
)
from crawler.model.record import ErrorDetail, Outcome, Problem, Record
from crawler.model.record_fields import (
    CONFIG,
    ERROR,
    IMAGE,
    LAYER,
    MANIFEST,
    PLATFORM,
    PROBLEM,
    RECORD,
    REFERRER,
    RecordField,
    RecordObject,
    is_record,
    markdown_rows,
    record_json_schema,
)
from crawler.sinks.jsonl import encode
from crawler.snapshot.decoding import parse_record

OBJECTS = {each.name: each for each in (RECORD, *RECORD.nested_objects())}

CLASSES = [
    (Record, RECORD),
    (Image, IMAGE),
    (Platform, PLATFORM),
    (ImageManifest, MANIFEST),
    (Layer, LAYER),
    (ImageConfig, CONFIG),
    (Referrer, REFERRER),
    (Problem, PROBLEM),
    (ErrorDetail, ERROR),
]
"""Each class of what is in a record, and the table of its fields."""

FULL_PLATFORM = Platform(
    digest="sha256:ab",
    os="linux",
    architecture="arm64",
    variant="v8",
    os_version="10.0",
    size_bytes=1,
    media_type="application/vnd.oci.image.manifest.v1+json",
    role=PlatformRole.ATTESTATION,
    attests_digest="sha256:ac",
)
FULL_MANIFEST = ImageManifest(
    config_digest="sha256:ad",
    layers=(Layer("sha256:ae", 2, "application/vnd.oci.image.layer.v1.tar+gzip"),),
    annotations={"org.opencontainers.image.source": "https://example.com"},
)
FULL_CONFIG = ImageConfig(
    os="linux",
    architecture="arm64",
    variant="v8",
    created_at="built",
    user="nobody",
    entrypoint=("/app",),
    cmd=("serve",),
    working_dir="/srv",
    exposed_ports=("8080/tcp",),
    env_names=("PATH",),
    healthcheck=True,
    labels={"team": "ours"},
    diff_ids=("sha256:af",),
    base_name="docker.io/library/debian:12",
    base_digest="sha256:ba",
    base_from=BaseSource.LAYERS,
)
FULL_REFERRER = Referrer(
    digest="sha256:bc",
    via=ReferrerSource.COSIGN_TAG,
    kind=ReferrerKind.SIGNATURE,
    artifact_type="application/vnd.example",
    predicate_type="https://slsa.dev/provenance/v1",
    size_bytes=3,
    created_at="signed",
)
FULL_IMAGE = Image(
    digest="sha256:aa",
    tags=("1", "2"),
    kind=ImageKind.INDEX,
    media_type="application/vnd.oci.image.index.v1+json",
    artifact_type="application/vnd.example",
    subject_digest="sha256:bd",
    size_bytes=7,
    created_at="created",
    uploaded_at="uploaded",
    updated_at="updated",
    pulled_at="pulled",
    platforms=(FULL_PLATFORM,),
    manifest=FULL_MANIFEST,
    config=FULL_CONFIG,
    referrers=(FULL_REFERRER,),
)
FULL = record(
    "team/a",
    run_id="the run",
    target="the target",
    registry="the registry",
    outcome=Outcome.FAILED,
    tags=("1", "2"),
    images=(FULL_IMAGE, Image("sha256:bb")),
    children=("b",),
    problems=(problem(),),
    suspect="suspect",
    error=ErrorDetail(code="UNKNOWN", http_status=500, message="no"),
    observed_at="the time",
)


def document(source: Record) -> dict[str, Any]:
    return orjson.loads(encode([source]))


# The table and the classes


def test_record_objects_have_a_class_each():
    assert {table.name: table for _, table in CLASSES} == OBJECTS


@pytest.mark.parametrize(("cls", "table"), CLASSES)
def test_record_fields_are_those_of_the_class_in_order(cls, table):
    assert tuple(get_type_hints(cls)) == table.field_names


@pytest.mark.parametrize(("cls", "table"), CLASSES)
def test_record_fields_have_the_types_of_the_class(cls, table):
    hints = get_type_hints(cls)
    assert [(name, type_name_of(hint)) for name, hint in hints.items()] == [
        (field.name, field.type_name) for field in table.fields
    ]


@pytest.mark.parametrize(("cls", "table"), CLASSES)
def test_record_fields_have_the_values_of_the_class(cls, table):
    enums = {name: enum_in(hint) for name, hint in get_type_hints(cls).items() if enum_in(hint)}
    assert enums == {field.name: field.values for field in table.fields if field.values and field.name != "schema"}


def type_name_of(hint: Any) -> str:
    """A Python type in the notation of the table."""
    if get_origin(hint) in {Union, UnionType}:
        (inner,) = (each for each in get_args(hint) if each is not type(None))
        return f"{type_name_of(inner)} or null"
    if get_origin(hint) is tuple:
        (item, _) = get_args(hint)
        tables = {cls: table.name for cls, table in CLASSES}
        return f"[{tables.get(item) or type_name_of(item)}]"
    if hint == dict[str, str]:
        return "map"
    if issubclass(hint, StrEnum):
        return "string"
    scalars = {str: "string", int: "int", bool: "bool"}
    return scalars.get(hint, "object")


def enum_in(hint: Any) -> tuple[str, ...]:
    """The values of the enum that a Python type holds; () where it holds none."""
    inner = [hint, *get_args(hint)]
    return tuple(value for each in inner if isinstance(each, type) and issubclass(each, StrEnum) for value in each)


def test_record_fields_are_those_of_the_contract():
    assert {name: each.field_names for name, each in OBJECTS.items()} == {
        "record": (
            *("schema", "run_id", "target", "registry", "repository", "outcome", "tags", "images", "children"),
            *("problems", "suspect", "error", "observed_at"),
        ),
        "image": (
            *("digest", "tags", "kind", "media_type", "artifact_type", "subject_digest", "size_bytes", "created_at"),
            *("uploaded_at", "updated_at", "pulled_at", "platforms", "manifest", "config", "referrers"),
        ),
        "platform": (
            *("digest", "os", "architecture", "variant", "os_version", "size_bytes", "media_type", "role"),
            "attests_digest",
        ),
        "manifest": ("config_digest", "layers", "annotations"),
        "layer": ("digest", "size_bytes", "media_type"),
        "config": (
            *("os", "architecture", "variant", "created_at", "user", "entrypoint", "cmd", "working_dir"),
            *("exposed_ports", "env_names", "healthcheck", "labels", "diff_ids", "base_name", "base_digest"),
            "base_from",
        ),
        "referrer": ("digest", "via", "kind", "artifact_type", "predicate_type", "size_bytes", "created_at"),
        "problem": ("problem", "tag", "digest", "code", "http_status", "message"),
        "error": ("code", "http_status", "message"),
    }


# The line


def test_record_line_has_every_value_under_its_own_key():
    line = document(FULL)
    assert list(line) == list(RECORD.field_names)
    assert {**line, "images": None} == {
        "schema": 2,
        "run_id": "the run",
        "target": "the target",
        "registry": "the registry",
        "repository": "team/a",
        "outcome": "failed",
        "tags": ["1", "2"],
        "images": None,
        "children": ["b"],
        "problems": [
            {
                "problem": "dangling-tag",
                "tag": "1",
                "digest": None,
                "code": "MANIFEST_UNKNOWN",
                "http_status": 404,
                "message": "not there",
            }
        ],
        "suspect": "suspect",
        "error": {"code": "UNKNOWN", "http_status": 500, "message": "no"},
        "observed_at": "the time",
    }


def test_record_line_has_null_for_each_field_of_an_image_that_nothing_fills():
    _, empty = document(FULL)["images"]
    assert list(empty) == list(IMAGE.field_names)
    assert empty == {**dict.fromkeys(IMAGE.field_names), "digest": "sha256:bb", "tags": []}


def test_record_line_of_an_image_has_every_value_under_its_own_key():
    full, _ = document(FULL)["images"]
    assert {**full, "platforms": None, "manifest": None, "config": None, "referrers": None} == {
        "digest": "sha256:aa",
        "tags": ["1", "2"],
        "kind": "index",
        "media_type": "application/vnd.oci.image.index.v1+json",
        "artifact_type": "application/vnd.example",
        "subject_digest": "sha256:bd",
        "size_bytes": 7,
        "created_at": "created",
        "uploaded_at": "uploaded",
        "updated_at": "updated",
        "pulled_at": "pulled",
        "platforms": None,
        "manifest": None,
        "config": None,
        "referrers": None,
    }
    assert full["platforms"] == [
        {
            "digest": "sha256:ab",
            "os": "linux",
            "architecture": "arm64",
            "variant": "v8",
            "os_version": "10.0",
            "size_bytes": 1,
            "media_type": "application/vnd.oci.image.manifest.v1+json",
            "role": "attestation",
            "attests_digest": "sha256:ac",
        }
    ]
    assert full["manifest"] == {
        "config_digest": "sha256:ad",
        "layers": [
            {"digest": "sha256:ae", "size_bytes": 2, "media_type": "application/vnd.oci.image.layer.v1.tar+gzip"}
        ],
        "annotations": {"org.opencontainers.image.source": "https://example.com"},
    }
    assert full["config"] == {
        "os": "linux",
        "architecture": "arm64",
        "variant": "v8",
        "created_at": "built",
        "user": "nobody",
        "entrypoint": ["/app"],
        "cmd": ["serve"],
        "working_dir": "/srv",
        "exposed_ports": ["8080/tcp"],
        "env_names": ["PATH"],
        "healthcheck": True,
        "labels": {"team": "ours"},
        "diff_ids": ["sha256:af"],
        "base_name": "docker.io/library/debian:12",
        "base_digest": "sha256:ba",
        "base_from": "layers",
    }
    assert full["referrers"] == [
        {
            "digest": "sha256:bc",
            "via": "cosign-tag",
            "kind": "signature",
            "artifact_type": "application/vnd.example",
            "predicate_type": "https://slsa.dev/provenance/v1",
            "size_bytes": 3,
            "created_at": "signed",
        }
    ]


def test_record_line_has_every_key_in_the_order_of_the_table_at_every_level():
    assert list(unordered_objects(document(FULL), RECORD)) == []
    assert list(unordered_objects({**document(FULL), "error": {"message": "", "code": ""}}, RECORD)) == ["error"]


def unordered_objects(value: dict[str, Any], table: RecordObject) -> Iterator[str]:
    """The names of the objects within a value, and of itself, that have other keys than their table."""
    if tuple(value) != table.field_names:
        yield table.name
        return
    for field in table.fields:
        inner = value[field.name]
        if isinstance(field.type, RecordObject) and inner is not None:
            for each in inner if field.is_list else [inner]:
                yield from unordered_objects(each, field.type)


def test_record_line_has_null_for_what_an_image_does_not_say():
    """Nothing that is not known becomes an empty value: `[]` and `{}` mean that there is none."""
    bare = Image("sha256:aa", manifest=ImageManifest(None, None, None), config=ImageConfig(), referrers=())
    (image,) = document(record("team/a", images=(bare,)))["images"]
    assert image["manifest"] == dict.fromkeys(MANIFEST.field_names)
    assert image["config"] == dict.fromkeys(CONFIG.field_names)
    assert (image["platforms"], image["referrers"]) == (None, [])
    VALIDATOR.validate(document(record("team/a", images=(bare,))))


@pytest.mark.parametrize(("images", "written"), [(None, None), ((), [])])
def test_record_line_keeps_no_images_apart_from_images_that_are_not_listed(images, written):
    assert document(record("team/a", images=images))["images"] == written


def test_record_line_is_read_back_as_the_record():
    assert parse_record(encode([FULL])) == FULL


@given(text, st.lists(text, max_size=3), st.dictionaries(text, text, max_size=3))
def test_record_line_has_the_bytes_that_orjson_writes(any_text, tags, labels):
    """As the lines of earlier versions have them: a snapshot's checksum, and a comparison of two, depend on it."""
    image = Image(any_text, tuple(tags), size_bytes=2**63 - 1, config=ImageConfig(user=any_text, labels=labels))
    source = record(any_text, tags=tuple(tags), images=(image,), problems=(problem(),), suspect=any_text)
    fields = {name: getattr(source, name) for name in RECORD.field_names}
    fields["images"] = [{name: getattr(image, name) for name in IMAGE.field_names}]
    assert encode([source, source]) == orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE) * 2


# The check of a line that is read back


@pytest.mark.parametrize("source", [FULL, record("team/a")])
def test_is_record_accepts_every_line_that_is_written(source):
    assert is_record(document(source))


@pytest.mark.parametrize("field", RECORD.fields, ids=lambda field: field.name)
def test_is_record_refuses_a_missing_field(field):
    line = document(FULL)
    del line[field.name]
    assert not is_record(line)


@pytest.mark.parametrize("field", RECORD.fields, ids=lambda field: field.name)
@pytest.mark.parametrize("value", [None, True, 1.5, 7, "text", {}, [], [None], ["text"], [7], [{}]], ids=repr)
def test_is_record_accepts_exactly_the_values_that_the_schema_accepts(field, value):
    """Nested objects apart, whose content only the schema checks; but a resumed run reads problems."""
    line = {**document(FULL), field.name: value}
    nested = isinstance(field.type, RecordObject) and field.type is not PROBLEM and value in ({}, [{}])
    assert is_record(line) == (is_valid(line) or (nested and field.is_list == isinstance(value, list)))


@pytest.mark.parametrize("value", [None, 7, "text", [], {}])
def test_is_record_refuses_what_is_no_record(value):
    assert not is_record(value)


# The JSON Schema

VALIDATOR = jsonschema.Draft202012Validator(record_json_schema())


def is_valid(line: Any) -> bool:
    return VALIDATOR.is_valid(line)


def test_json_schema_is_valid_under_draft_2020_12():
    schema = record_json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("source", [FULL, record("team/a"), record("team/a", images=())])
def test_json_schema_accepts_every_line_that_is_written(source):
    VALIDATOR.validate(document(source))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("images", 0, "digest"), None),
        (("images", 0, "kind"), "picture"),
        (("images", 0, "platforms"), [{}]),
        (("images", 0, "config"), {"labels": {}}),
        (("images", 0, "config", "labels", "team"), 7),
        (("images", 0, "config", "base_from"), "guess"),
        (("images", 0, "platforms", 0, "role"), "child"),
        (("images", 0, "manifest", "layers", 0, "digest"), None),
        (("images", 0, "referrers", 0, "kind"), None),
        (("images", 0, "referrers", 0, "via"), "mail"),
        (("problems", 0, "problem"), "odd"),
        (("problems", 0, "http_status"), "404"),
        (("error", "code"), None),
    ],
)
def test_json_schema_refuses_a_nested_value_of_another_type(path, value):
    line = document(FULL)
    within = line
    for step in path[:-1]:
        within = within[step]
    within[path[-1]] = value
    assert not is_valid(line)


def test_json_schema_describes_a_full_image():
    line = document(FULL)
    line["images"] = [example(RecordField("image", IMAGE, "an image"))]
    VALIDATOR.validate(line)
    assert line["images"][0]["manifest"]["layers"] == [{"digest": "text", "size_bytes": 7, "media_type": "text"}]


def example(field: RecordField) -> Any:
    """A value of a field, with every nested field filled."""
    scalars = {"string": "text", "int": 7, "bool": True, "map": {"key": "text"}}
    if isinstance(field.type, RecordObject):
        value: Any = {each.name: example(each) for each in field.type.fields}
    else:
        value = field.values[0] if field.values else scalars[field.type]
    return [value] if field.is_list else value


# The README

COMMAND = "python -m crawler.model.record_fields"


def test_readme_table_of_a_record_has_the_fields_and_types_of_the_table():
    assert readme_table() == [(field.name, field.type_name) for field in RECORD.fields], (
        f"README.md has another table under 'A record': replace it with the first table that `{COMMAND}` prints"
    )


def readme_table() -> list[tuple[str, str]]:
    """Names and types of the README's first table below "A record", which is a heading or the bold start of a line."""
    text = README.read_text(encoding="utf-8")
    heading = re.search(r"^(?:#+ |\*\*)A record\b", text, re.MULTILINE)
    assert heading is not None, "README.md has no heading 'A record'"
    return fields_of(text[heading.end() :])


def fields_of(markdown: str) -> list[tuple[str, str]]:
    """Names and types of the first table of fields."""
    table = re.search(r"^\| field \| type \|.*\n\|[-|: ]+\|\n((?:\|.*(?:\n|$))+)", markdown, re.MULTILINE)
    assert table is not None, "there is no table of fields"
    rows = (row.split("|") for row in table[1].splitlines())
    return [(row[1].strip(" `"), row[2].strip()) for row in rows]


def test_markdown_of_the_command_has_a_table_for_each_object():
    printed = subprocess.run([sys.executable, *COMMAND.split()[1:]], capture_output=True, text=True, check=True).stdout
    tables = re.split(r"^\*\*(\w+)\*\*\n", f"**record**\n{printed}", flags=re.MULTILINE)[1:]
    assert dict(zip(tables[::2], map(fields_of, tables[1::2]), strict=True)) == {
        name: [(field.name, field.type_name) for field in each.fields] for name, each in OBJECTS.items()
    }


def test_markdown_rows_have_no_column_too_many():
    for each in OBJECTS.values():
        assert {row.count("|") for row in markdown_rows(each)} == {4}
