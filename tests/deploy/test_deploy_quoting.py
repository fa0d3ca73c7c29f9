"""Every text, as YAML, TOML, systemd and a shell read it."""

import subprocess
import tomllib

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.deploy.quoting import heredoc, toml_string, unit_argument, unit_word, yaml_block, yaml_string

UTF_8 = st.text(st.characters(exclude_categories=["Cs"]))
LINES = st.text(st.sampled_from("a \n\t#:-|>\"'\\\u2028\x85\ufeffé😀%{}[]&*!"), max_size=30)
NO_NUL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(UTF_8 | LINES)
@example("\x7f\x85\u2028\ufeff\U0001f600\\x")
def test_yaml_string_is_read_as_it_was(text):
    assert yaml.safe_load(f"key: {yaml_string(text)}") == {"key": text}
    assert yaml.safe_load(f"{{key: {yaml_string(text)}}}") == {"key": text}


@given(LINES)
@example("  a\n")
@example("\n\n  a\n\n")
@example("---\n...\n")
def test_yaml_block_is_read_as_it_was(text):
    manifest = f"data:\n  key: {yaml_block(text, 4)}\nnext: 1\n"
    assert yaml.safe_load(manifest) == {"data": {"key": text}, "next": 1}


@given(UTF_8)
def test_toml_string_is_read_as_it_was(text):
    assert tomllib.loads(f"key = {toml_string(text)}") == {"key": text}


@given(st.lists(LINES, min_size=1, max_size=5))
@example(["END\n", "END_\nEND\n"])
def test_heredoc_is_one_word_to_the_shell(texts):
    texts = [f"{text}\n" for text in texts]
    script = "".join(f"cat {heredoc(text)}\n" for text in texts)
    assert subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True).stdout.decode() == "".join(texts)


@given(NO_NUL)
def test_unit_word_is_read_as_systemd_does(text):
    r"""By the rules of systemd.syntax(7): quotes, C escapes, and %% for %."""
    assert "\n" not in unit_word(text)
    assert unquoted(unit_word(text)) == text


@given(NO_NUL)
def test_unit_argument_is_read_as_systemd_does(text):
    word = unit_argument(text)
    unquoted_word = unquoted(word) if word.startswith('"') else word.replace("%%", "%")
    assert unquoted_word.replace("$$", "$") == text
    assert word.startswith('"') or not set(word) & set(" \t\"'\\;$")


def unquoted(word):
    assert word[0] == word[-1] == '"'
    inner = word[1:-1].encode()
    found, position = bytearray(), 0
    escapes = {b'"': b'"', b"\\": b"\\", b"n": b"\n", b"t": b"\t", b"r": b"\r"}
    while position < len(inner):
        character = inner[position : position + 1]
        if character == b"\\" and inner[position + 1 : position + 2] == b"x":
            found.append(int(inner[position + 2 : position + 4], 16))
            position += 4
        elif character == b"\\":
            found += escapes[inner[position + 1 : position + 2]]
            position += 2
        else:
            assert character != b'"'
            found += character
            position += 1
    text = found.decode()
    assert text.count("%") % 2 == 0
    return text.replace("%%", "%")
