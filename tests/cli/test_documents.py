"""The documents' tables, compared with the code, and their links and names, followed."""

import re
import signal
import sys
import tomllib
from dataclasses import fields
from importlib import import_module
from math import ceil
from typing import get_args, get_type_hints

import pytest
from support.readme import DOCUMENTS, OPERATIONS, README, ROOT, Block, anchors, blocks_of, in_backticks, links, table

from crawler.cli import exit_codes
from crawler.model.run_manifest import RunManifest
from crawler.profiles import PROFILES_BY_KIND, DiscoveryMethod

LONGEST_README = 250
THE_CODE = ROOT / "crawler" / "README.md"


def test_readme_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= LONGEST_README


def test_readme_run_table_has_every_field_of_the_run_manifest():
    rows = table(README, "A run", "field")
    assert [name for row in rows for name in in_backticks(row["field"])] == [f.name for f in fields(RunManifest)]


async def test_operations_tables_of_nested_objects_are_those_of_the_code(command):
    """`python -m crawler.model.record_fields` prints the tables; the README's own table has a test beside the code."""
    ended = await command("-m", "crawler.model.record_fields", program=(sys.executable,))
    documented = fields_by_object(OPERATIONS.read_text(encoding="utf-8"))
    assert documented == fields_by_object(ended.out)
    assert "image" in documented


def fields_by_object(text: str) -> dict[str, list[str]]:
    """Name and type of each field, by the bold name above its table."""
    tables = re.findall(r"^\*\*(\w+)\*\*\n\n((?:\|.*\n)+)", text, re.MULTILINE)
    return {name: re.findall(r"^\| (`\w+` \| .+?) \|", rows, re.MULTILINE) for name, rows in tables}


@pytest.mark.parametrize("name", ["tool", "discovery", "requests", "cache", "pace", "files"])
def test_readme_run_table_names_every_nested_field(name):
    (row,) = (row for row in table(README, "A run", "field") if in_backticks(row["field"]) == [name])
    hint = get_type_hints(RunManifest)[name]
    (nested, *_) = get_args(hint) or (hint,)
    assert in_backticks(row["meaning"]) == [field.name for field in fields(nested)]


def test_readme_registries_table_has_every_profile():
    rows = {in_backticks(row["`--kind`"])[0]: row for row in table(README, "Registries", "registry")}
    assert list(rows) == list(PROFILES_BY_KIND)
    for kind, row in rows.items():
        names_from = re.findall("[a-z-]+", row["names from"].partition(", for")[0])
        assert names_from == (list(PROFILES_BY_KIND[kind].discovery) or ["list"]), kind


def test_readme_registries_table_has_what_images_cost():
    """What 10,000 images in one repository cost at depth digests: by the product's own API, else a tag an exchange."""
    for row in table(README, "Registries", "registry"):
        profile = PROFILES_BY_KIND[in_backticks(row["`--kind`"])[0]]
        api = profile.api
        if api is not None and (api.lists_images or api.lists_images_with_names):
            expected = ("API", f"{ceil(10_000 / api.images_per_exchange):,}")
        elif profile.is_google:
            expected = ("listing, API", "1, 10")
        else:
            expected = ("manifests", "10,000")
        assert (row["images from"], row["10,000 images"]) == expected, profile.kind


def test_readme_registries_table_has_the_published_quotas():
    """Google's quotas are in the operations document, with who shares them."""
    for row in table(README, "Registries", "registry"):
        profile = PROFILES_BY_KIND[in_backticks(row["`--kind`"])[0]]
        claimed = re.findall(r"(\d+) exchanges/s", row["note"])
        known = [str(rate.count // int(rate.seconds)) for rate in profile.rate_limits[:1] if not profile.is_google]
        assert claimed == known, profile.kind


def test_readme_registries_table_claims_only_what_is_tested():
    """`script` where a module of tests/registries scripts the product, `emulator` for Google, `real` where it runs."""
    scripts = ROOT / "tests" / "registries"
    for row in table(README, "Registries", "registry"):
        kind = in_backticks(row["`--kind`"])[0]
        claimed = set(re.findall(r"script|emulator|real", row["tested against"]))
        has_script = (scripts / f"{kind.replace('-', '_')}.py").is_file()
        assert ("script" in claimed, "emulator" in claimed) == (has_script, not has_script)
        assert ("real" in claimed) == (kind == "distribution")


def test_readme_exit_codes_are_those_of_the_command():
    rows = table(README, "Exit codes", "exit code")
    documented = {int(code) for row in rows for code in row["exit code"].split(",")}
    defined = {value for value in vars(exit_codes).values() if isinstance(value, int)}
    assert documented == defined | {128 + signal.SIGINT, 128 + signal.SIGTERM}


def test_readme_methods_of_discovery_are_documented():
    rows = table(OPERATIONS, "Discovery and its proof", "`--discovery`")
    documented = {in_backticks(row["`--discovery`"])[0] for row in rows}
    assert documented == set(DiscoveryMethod) - {DiscoveryMethod.AUTO}


def test_floors_are_documented_as_import_linter_checks_them():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    rows = table(THE_CODE, "Rooms and floors", "floor")
    assert [set(in_backticks(row["rooms"])) for row in rows] == [set(re.split(r" [|:] ", layer)) for layer in layers]
    assert [int(row["floor"]) for row in rows] == list(range(len(layers), 0, -1))


@pytest.mark.parametrize("row", table(THE_CODE, "Rooms and floors", "library"), ids=lambda row: row["library"])
def test_doors_are_documented_as_the_code_has_them(row):
    """No other file imports the libraries, and every door does. The emulator is a program of its own."""
    modules = {"google-auth": "google", "prometheus-client": "prometheus_client"}
    libraries = "|".join(modules.get(library, library) for library in row["library"].split(", "))
    imports = re.compile(rf"^\s*(?:import|from) (?:{libraries})\b", re.MULTILINE)
    folder = THE_CODE.parent
    files = {str(file.relative_to(folder)) for file in folder.rglob("*.py") if imports.search(file.read_text("utf-8"))}
    doors = {door: {file for file in files if file.startswith(door)} for door in in_backticks(row["door"])}
    assert all(doors.values()), doors
    assert {file for file in files if not file.startswith("emulator/")} == set().union(*doors.values())


# Links and names


@pytest.mark.parametrize("each", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_the_documents_lead_somewhere(each):
    for link in links(each):
        path, _, anchor = link.partition("#")
        target = (each.parent / path).resolve() if path else each
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("each", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_the_documents_name_exist(each):
    named = {name for name in in_backticks(each.read_text("utf-8")) if re.fullmatch(r"[a-z_./]+\.(py|toml|md)", name)}
    places = (each.parent, ROOT, ROOT / "crawler", ROOT / "tests")
    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []


def test_harness_that_the_documents_name_exists():
    named = re.findall(r"\bsupport(?:\.\w+)+", (ROOT / "tests" / "README.md").read_text("utf-8"))
    assert named
    for name in named:
        module, _, attribute = name.rpartition(".")
        try:
            import_module(name)
        except ModuleNotFoundError:
            assert hasattr(import_module(module), attribute), name


# The parser


def test_readme_blocks_are_parsed():
    text = "# A\n\n    one\n\n    two\n\ntext\n```toml\nx = 1\n\n    y\n```\n## B\n    three"
    assert blocks_of(README, text) == [
        Block(README, "A", "indented", "one\n\ntwo"),
        Block(README, "A", "toml", "x = 1\n\n    y"),
        Block(README, "B", "indented", "three"),
    ]
