"""Objects that are replaced only where they are still as they were when they were read, in each kind of lake."""

import fcntl

import obstore
import pytest
from support.lake_servers import SECRET, requires_azurite

from crawler.errors import ConfigError, LakeError
from crawler.lake.opening import open_versioned

NAME = "a cache"


# not "gs": moto heeds no x-goog-if-generation-match
@pytest.fixture(params=["file", "s3", pytest.param("az", marks=requires_azurite)])
def store(request, tmp_path, monkeypatch):
    """A store of each kind, and the name of an object that is not there yet."""
    if request.param == "file":
        opened, name = open_versioned(f"file://{tmp_path}/lake/a%20cache", {})
    else:
        lake = request.getfixturevalue("moto").s3() if request.param == "s3" else request.getfixturevalue("azure")("v")
        for variable, value in lake.environment.items():
            monkeypatch.setenv(variable, value)
        opened, name = open_versioned(f"{lake.url}/{tmp_path.name}/a%20cache", lake.environment)
    assert name == NAME
    return opened


@pytest.fixture
def one(tmp_path):
    path = tmp_path / "one"
    path.write_bytes(b"one" * 1_000_000)
    return path


@pytest.fixture
def two(tmp_path):
    path = tmp_path / "two"
    path.write_bytes(b"two")
    return path


def content(store, path):
    version = store.download(NAME, path)
    return version, path.read_bytes()


def test_versioned_object_that_is_not_there_has_no_version(store, tmp_path):
    assert store.version(NAME) is None
    assert store.download(NAME, tmp_path / "copy") is None
    assert not (tmp_path / "copy").exists()


def test_versioned_object_is_replaced_by_who_knows_it_alone(store, one, two, tmp_path):
    assert store.replace_version(NAME, one, None)
    assert not store.replace_version(NAME, two, None)
    first, read = content(store, tmp_path / "copy")
    assert read == one.read_bytes()
    assert store.version(NAME) == first
    assert store.replace_version(NAME, two, first)
    assert not store.replace_version(NAME, one, first)
    second, read = content(store, tmp_path / "copy")
    assert read == b"two"
    assert second not in {first, None}
    assert store.replace_version(NAME, one, second)


def test_versioned_file_that_another_process_replaces_is_not_replaced(tmp_path, one):
    store, name = open_versioned(f"file://{tmp_path}/digests.sqlite", {})
    with (tmp_path / "digests.sqlite.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not store.replace_version(name, one, None)
    assert store.replace_version(name, one, None)
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_versioned_file_takes_the_place_of_what_a_killed_process_left(tmp_path, one):
    store, name = open_versioned(f"file://{tmp_path}/digests.sqlite", {})
    (tmp_path / "digests.sqlite.unfinished").write_bytes(b"half")
    assert store.replace_version(name, one, None)
    assert not (tmp_path / "digests.sqlite.unfinished").exists()


def test_versioned_file_in_a_folder_that_cannot_be_made_is_said(tmp_path, one):
    (tmp_path / "lake").write_text("a file")
    store, name = open_versioned(f"file://{tmp_path}/lake/digests.sqlite", {})
    with pytest.raises(LakeError, match="lake"):
        store.replace_version(name, one, None)


def test_versioned_object_of_a_provider_without_an_account_is_a_mistake(monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", SECRET)
    with pytest.raises(ConfigError, match="Account must be specified") as raised:
        open_versioned("az://box/digests.sqlite", {})
    assert SECRET not in str(raised.value)


def test_versioned_object_that_is_refused_is_said_without_secrets(moto, one, monkeypatch):
    lake = moto.s3()
    for variable, value in lake.environment.items():
        monkeypatch.setenv(variable, value)
    store, name = open_versioned(f"{lake.url}/digests.sqlite", lake.environment)
    obstore.put(lake.store, name, b"theirs")
    moto.fail_from = 1
    with pytest.raises(
        LakeError, match=r"cannot replace digests\.sqlite: .*503 Service Unavailable: SlowDown"
    ) as raised:
        store.replace_version(name, one, store.version(name))
    assert SECRET not in str(raised.value)
    assert lake.objects() == {name: b"theirs"}
