"""Any document, any text and any environment is a configuration, or a list of printable errors."""

import tomllib
from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.config_errors import PREFIX, load_errors
from support.toml_text import toml_value

from crawler.config import AuthConfig, RegistryConfig
from crawler.config.schema import CacheConfig, ImagesConfig, LimitsConfig, OutputConfig, ResumeConfig, VerdictConfig

pytestmark = pytest.mark.slow

TABLES = ["registry", "images", "cache", "lake", "limits", "output", "verdict", "resume"]


MODELS = (
    *(RegistryConfig, AuthConfig, ImagesConfig, CacheConfig),
    *(LimitsConfig, OutputConfig, VerdictConfig, ResumeConfig),
)


KEYS = TABLES + [name for model in MODELS for name in model.model_fields]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


SCALARS = st.one_of(
    TEXTS,
    st.sampled_from(["gcr.io/a", "localhost:5000", "80/s", "auto", "none", "token", "basic", "list", "true", "3"]),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.dates(min_value=date(1000, 1, 1)),
)


VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | TEXTS, inner, max_size=4),
    max_leaves=8,
)


DOCUMENTS = st.dictionaries(st.sampled_from(TABLES) | TEXTS, VALUES, max_size=4)


TARGETS = st.lists(TEXTS | st.sampled_from(["gcr.io/a", "localhost:5000"]), max_size=2)


@given(document=DOCUMENTS, targets=TARGETS)
@example(document={"registry": {"target": []}}, targets=["gcr.io/a"])
@example(document={"registry": [1, {"target": {}}]}, targets=["gcr.io/a"])
@settings(max_examples=150)
def test_fuzz_of_a_document(tmp_path_factory, document, targets):
    file = tmp_path_factory.getbasetemp() / "garbage.toml"
    text = "".join(f"{toml_value(key)} = {toml_value(value)}\n" for key, value in document.items())
    assert tomllib.loads(text).keys() == document.keys()
    file.write_text(text, encoding="utf-8", newline="")
    assert all(error.isprintable() for error in load_errors(file, targets=targets))


@given(text=st.text(st.characters(exclude_categories=["Cs"])) | st.text("[].=\"'#{}\n a1", max_size=40))
@settings(max_examples=100)
def test_fuzz_of_a_text(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "text.toml"
    file.write_text(text, encoding="utf-8", newline="")
    assert all(error.isprintable() for error in load_errors(file, targets=["gcr.io"]))


@given(
    variables=st.dictionaries(
        st.lists(st.sampled_from(KEYS), min_size=1, max_size=4).map("__".join),
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
        | st.sampled_from(["{}", "[1]", '{"a": 1}']),
        max_size=4,
    )
)
@settings(max_examples=100)
def test_fuzz_of_the_environment(variables):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(PREFIX + name.upper(), value)
        assert all(error.isprintable() for error in load_errors(targets=["gcr.io"]))
