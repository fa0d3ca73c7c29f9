"""The fields of a record: one table of their names, types and meanings.

Three things follow from the table: the check of a line that is read back (`snapshot/journal.py`), the JSON Schema
(`record_json_schema`), and the README's tables, which `python -m crawler.model.record_fields` prints. A line itself
follows from the classes in `model/record.py` and `model/image.py`. A new field is added here and to its class, in the
same place: a unit test compares them.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from crawler.model.image import BaseSource, ImageKind, PlatformRole, ReferrerKind, ReferrerSource
from crawler.model.record import SCHEMA, Outcome, ProblemKind
from crawler.model.value import Value

Scalar = Literal["string", "int", "bool", "map"]
"""A JSON type. A map is an object whose keys are data, such as labels; its values are strings."""

_PYTHON_TYPES: Final[dict[Scalar, type]] = {"string": str, "int": int, "bool": bool, "map": dict}
_SCALAR_SCHEMAS: Final[dict[Scalar, dict[str, Any]]] = {
    "string": {"type": "string"},
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "map": {"type": "object", "additionalProperties": {"type": "string"}},
}


class RecordField(Value, frozen=True):
    """One field of a record, or of an object within a record.

    Attributes:
        type: a scalar, or the object that the field holds.
        meaning: a phrase in Markdown, for the README and the JSON Schema.
        is_list: the field holds a list of `type`.
        is_nullable: the value may be null. The key is always there.
        values: every value that the field may have; empty where any value of the type may come.
    """

    name: str
    type: "Scalar | RecordObject"
    meaning: str
    is_list: bool = False
    is_nullable: bool = False
    values: tuple[str | int, ...] = ()

    @property
    def type_name(self) -> str:
        """The type as the README writes it, such as `[image] or null`."""
        if isinstance(self.type, RecordObject):
            written = f"[{self.type.name}]" if self.is_list else "object"
        else:
            written = f"[{self.type}]" if self.is_list else self.type
        return f"{written} or null" if self.is_nullable else written

    def json_schema(self) -> dict[str, Any]:
        """The field's schema. An object is a reference to its definition in `$defs`."""
        if isinstance(self.type, RecordObject):
            schema: dict[str, Any] = {"$ref": f"#/$defs/{self.type.name}"}
        else:
            schema = dict(_SCALAR_SCHEMAS[self.type])
        if self.values:
            schema["enum"] = list(self.values)
        if self.is_list:
            schema = {"type": "array", "items": schema}
        if self.is_nullable:
            schema = {"anyOf": [schema, {"type": "null"}]}
        return {"description": self.meaning, **schema}

    def accepts(self, value: Any) -> bool:
        """Whether a value read from JSON has the field's type. What is within a nested object is not checked."""
        if value is None:
            return self.is_nullable
        item_type = dict if isinstance(self.type, RecordObject) else _PYTHON_TYPES[self.type]
        if self.is_list:
            return type(value) is list and {*map(type, value)} <= {item_type}
        return type(value) is item_type and (not self.values or value in self.values)


class RecordObject(Value, frozen=True):
    """A record, or a kind of object within a record. `fields` are in the order in which a line has them."""

    name: str
    fields: tuple[RecordField, ...]

    @property
    def field_names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    def json_schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {field.name: field.json_schema() for field in self.fields},
            "required": list(self.field_names),
        }

    def nested_objects(self) -> "Iterator[RecordObject]":
        """The objects within this one, at any depth, in the order of their fields."""
        for field in self.fields:
            if isinstance(field.type, RecordObject):
                yield field.type
                yield from field.type.nested_objects()


_PLATFORM_ROLES: Final = tuple(PlatformRole)
_IMAGE_KINDS: Final = tuple(ImageKind)
_BASE_SOURCES: Final = tuple(BaseSource)
_REFERRER_SOURCES: Final = tuple(ReferrerSource)
_REFERRER_KINDS: Final = tuple(ReferrerKind)
_PROBLEMS: Final = tuple(ProblemKind)


def _one_of(values: Sequence[str]) -> str:
    """The values in Markdown: `a`, `b` or `c`."""
    *others, last = [f"`{value}`" for value in values]
    return f"{', '.join(others)} or {last}"


PLATFORM: Final = RecordObject(
    "platform",
    (
        RecordField("digest", "string", "the child's manifest", is_nullable=True),
        RecordField("os", "string", "such as `linux`", is_nullable=True),
        RecordField("architecture", "string", "such as `amd64`", is_nullable=True),
        RecordField("variant", "string", "such as `v8`", is_nullable=True),
        RecordField("os_version", "string", "such as `10.0.20348.2031`, for Windows", is_nullable=True),
        RecordField("size_bytes", "int", "as the index lists it", is_nullable=True),
        RecordField("media_type", "string", "of the child's manifest", is_nullable=True),
        RecordField(
            "role",
            "string",
            _one_of(_PLATFORM_ROLES),
            is_nullable=True,
            values=_PLATFORM_ROLES,
        ),
        RecordField("attests_digest", "string", "the manifest that an attestation is about", is_nullable=True),
    ),
)

LAYER: Final = RecordObject(
    "layer",
    (
        RecordField("digest", "string", "the layer's blob"),
        RecordField("size_bytes", "int", "compressed", is_nullable=True),
        RecordField("media_type", "string", "of the blob", is_nullable=True),
    ),
)

MANIFEST: Final = RecordObject(
    "manifest",
    (
        RecordField("config_digest", "string", "the config blob", is_nullable=True),
        RecordField("layers", LAYER, "lowest first", is_list=True, is_nullable=True),
        RecordField("annotations", "map", "as the manifest has them", is_nullable=True),
    ),
)

CONFIG: Final = RecordObject(
    "config",
    (
        RecordField("os", "string", "such as `linux`", is_nullable=True),
        RecordField("architecture", "string", "such as `amd64`", is_nullable=True),
        RecordField("variant", "string", "such as `v8`", is_nullable=True),
        RecordField("created_at", "string", "what the build wrote; RFC 3339 UTC with milliseconds", is_nullable=True),
        RecordField("user", "string", "the user that the container runs as", is_nullable=True),
        RecordField("entrypoint", "string", "program and arguments", is_list=True, is_nullable=True),
        RecordField("cmd", "string", "default arguments", is_list=True, is_nullable=True),
        RecordField("working_dir", "string", "where the program starts", is_nullable=True),
        RecordField("exposed_ports", "string", "such as `8080/tcp`", is_list=True, is_nullable=True),
        RecordField(
            "env_names",
            "string",
            "names of environment variables; values may hold secrets and are left out",
            is_list=True,
            is_nullable=True,
        ),
        RecordField("healthcheck", "bool", "whether there is a health check", is_nullable=True),
        RecordField("labels", "map", "as the config has them", is_nullable=True),
        RecordField("diff_ids", "string", "digests of the layers, uncompressed", is_list=True, is_nullable=True),
        RecordField("base_name", "string", "the base image", is_nullable=True),
        RecordField("base_digest", "string", "the base image's manifest", is_nullable=True),
        RecordField(
            "base_from",
            "string",
            f"where the base image is named: {_one_of(_BASE_SOURCES)}",
            is_nullable=True,
            values=_BASE_SOURCES,
        ),
    ),
)

REFERRER: Final = RecordObject(
    "referrer",
    (
        RecordField("digest", "string", "the referrer's manifest"),
        RecordField(
            "via",
            "string",
            f"where it is listed: {_one_of(_REFERRER_SOURCES)}",
            values=_REFERRER_SOURCES,
        ),
        RecordField(
            "kind",
            "string",
            f"{_one_of(_REFERRER_KINDS)}; listed, not verified",
            values=_REFERRER_KINDS,
        ),
        RecordField("artifact_type", "string", "the artifact's media type", is_nullable=True),
        RecordField("predicate_type", "string", "the predicate of an in-toto statement", is_nullable=True),
        RecordField("size_bytes", "int", "of the manifest", is_nullable=True),
        RecordField("created_at", "string", "RFC 3339 UTC with milliseconds", is_nullable=True),
    ),
)

IMAGE: Final = RecordObject(
    "image",
    (
        RecordField("digest", "string", "the manifest's digest"),
        RecordField("tags", "string", "tags of the manifest", is_list=True),
        RecordField(
            "kind",
            "string",
            f"{_one_of(_IMAGE_KINDS)}; null where it is not known",
            is_nullable=True,
            values=_IMAGE_KINDS,
        ),
        RecordField("media_type", "string", "of the manifest", is_nullable=True),
        RecordField("artifact_type", "string", "of an artifact", is_nullable=True),
        RecordField("subject_digest", "string", "the manifest that this one refers to", is_nullable=True),
        RecordField("size_bytes", "int", "as the registry counts it", is_nullable=True),
        RecordField(
            "created_at", "string", "what the build wrote; reproducible builds write 1970 or 1980", is_nullable=True
        ),
        RecordField("uploaded_at", "string", "when the registry received it", is_nullable=True),
        RecordField(
            "updated_at", "string", "when the registry last received it or its tags last changed", is_nullable=True
        ),
        RecordField("pulled_at", "string", "when it was last pulled", is_nullable=True),
        RecordField(
            "platforms",
            PLATFORM,
            "children of an index; the platform of a single image",
            is_list=True,
            is_nullable=True,
        ),
        RecordField("manifest", MANIFEST, "null where the manifest is not read", is_nullable=True),
        RecordField("config", CONFIG, "null where the config is not read", is_nullable=True),
        RecordField("referrers", REFERRER, "null where none are asked for", is_list=True, is_nullable=True),
    ),
)

PROBLEM: Final = RecordObject(
    "problem",
    (
        RecordField("problem", "string", _one_of(_PROBLEMS), values=_PROBLEMS),
        RecordField("tag", "string", "the tag that has the problem", is_nullable=True),
        RecordField("digest", "string", "the manifest or blob that has the problem", is_nullable=True),
        RecordField("code", "string", "the registry's error code", is_nullable=True),
        RecordField("http_status", "int", "status of the response", is_nullable=True),
        RecordField("message", "string", "the registry's words, escaped and shortened"),
    ),
)

ERROR: Final = RecordObject(
    "error",
    (
        RecordField("code", "string", "the registry's error code, or the crawler's where the registry sent none"),
        RecordField("http_status", "int", "null where no response came", is_nullable=True),
        RecordField("message", "string", "the registry's words, escaped and shortened"),
    ),
)

RECORD: Final = RecordObject(
    "record",
    (
        RecordField("schema", "int", f"{SCHEMA}", values=(SCHEMA,)),
        RecordField("run_id", "string", "as in the folder's name"),
        RecordField("target", "string", "as configured"),
        RecordField("registry", "string", "host, with its port if any"),
        RecordField("repository", "string", "full name on that host"),
        RecordField(
            "outcome",
            "string",
            "`ok`; `missing` (a 404 in the registry's own words); `denied` (401 or 403 after a fresh token); `failed` "
            "(all else, after retries); `invalid` (a name no registry may have; never requested)",
            values=tuple(Outcome),
        ),
        RecordField("tags", "string", "as the registry orders them, without duplicates", is_list=True),
        RecordField(
            "images",
            IMAGE,
            "null where neither the listing (only Google's) nor the depth has any. Ordered by digest",
            is_list=True,
            is_nullable=True,
        ),
        RecordField(
            "children", "string", "Google's folders and repositories below this one", is_list=True, is_nullable=True
        ),
        RecordField("problems", PROBLEM, "what is broken in the repository", is_list=True),
        RecordField("suspect", "string", "why the listing may not be whole", is_nullable=True),
        RecordField("error", ERROR, "why there is no listing; null where there is one", is_nullable=True),
        RecordField("observed_at", "string", "RFC 3339 UTC with milliseconds"),
    ),
)


def is_record(document: Any) -> bool:
    """Whether a value read from JSON is a record: every field is there and has its type, also those of its problems."""
    return _has_fields(document, RECORD) and all(_has_fields(problem, PROBLEM) for problem in document["problems"])


def _has_fields(document: Any, expected: RecordObject) -> bool:
    if not isinstance(document, dict):
        return False
    return all(field.name in document and field.accepts(document[field.name]) for field in expected.fields)


def record_json_schema() -> dict[str, Any]:
    """The JSON Schema of a record (draft 2020-12). Further keys are allowed: later versions add fields."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "registry-crawler record",
        **RECORD.json_schema(),
        "$defs": {nested.name: nested.json_schema() for nested in RECORD.nested_objects()},
    }


def markdown_rows(record_object: RecordObject) -> list[str]:
    """The README's table of the fields, line by line."""
    rows = [f"| `{field.name}` | {field.type_name} | {field.meaning} |" for field in record_object.fields]
    return ["| field | type | meaning |", "|---|---|---|", *rows]


def _markdown() -> str:
    """The tables of a record and of every object within it, each nested table below its name."""
    lines = markdown_rows(RECORD)
    for nested in RECORD.nested_objects():
        lines += ["", f"**{nested.name}**", "", *markdown_rows(nested)]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(f"{_markdown()}\n")
