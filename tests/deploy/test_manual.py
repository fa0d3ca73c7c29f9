"""The man page and the completions in `.share/`: as the commands are, and as their readers read them."""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from support.fronts import requires
from support.readme import ROOT

SHARE = ROOT / ".share"
MAN_PAGE = SHARE / "man" / "man1" / "registry-crawler.1"


async def run(*words, stdin=b"", **environment):
    process = await asyncio.create_subprocess_exec(
        *map(str, words), stdin=PIPE, stdout=PIPE, stderr=PIPE, **environment
    )
    out, err = await process.communicate(stdin)
    return process.returncode, out.decode(), err.decode()


async def test_manual_is_that_of_the_commands_as_they_are(tmp_path):
    code, _, err = await run(sys.executable, "-m", "crawler.cli.man_page", tmp_path)
    assert (code, err) == (0, "")
    fresh = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path.relative_to(SHARE): path.read_text() for path in SHARE.rglob("*") if path.is_file()}
    assert set(fresh) == set(kept)
    changed = [str(path) for path in fresh if fresh[path] != kept[path]]
    assert changed == [], "run `make manual`"


@requires("mandoc", "mandoc")
async def test_manual_page_pleases_mandoc():
    assert await run("mandoc", "-T", "lint", "-W", "warning", MAN_PAGE) == (0, "", "")


@requires("man", "man-db")
async def test_manual_page_renders_without_warnings():
    code, out, err = await run(
        "man", "--warnings", "-E", "UTF-8", "-l", MAN_PAGE, env={"MANWIDTH": "200", "PATH": "/usr/bin:/bin"}
    )
    assert (code, err) == (0, "")
    assert re.search(r"^ +registry-crawler crawl --config config\.toml --resume --log-format json$", out, re.MULTILINE)
    assert re.search(r"^ +3 +The snapshot is published, but partial\.$", out, re.MULTILINE)


async def test_manual_page_has_every_option_of_the_help(command):
    page = MAN_PAGE.read_text().replace("\\-", "-")
    for words in (["crawl"], ["deploy", "kubernetes"], ["init"], ["runs", "prune"]):
        help_text = (await command(*words, "--help")).out
        section = page.partition(f".SS registry-crawler {' '.join(words)} ")[2].partition("\n.SS ")[0]
        options = set(re.findall(r"^ {2,6}.*?(--[\w-]+)", help_text, re.MULTILINE)) - {"--help"}
        assert options - set(re.findall(r"--[\w-]+", section)) == set()
        assert options


COMPLETIONS = {
    "bash": """
source {share}/bash-completion/completions/registry-crawler
COMP_WORDS=(registry-crawler init --auth ""); COMP_CWORD=3
_registry_crawler_completion registry-crawler
printf "%s\\n" "${{COMPREPLY[@]}}"
""",
    # zsh completes in a terminal only: here the function that shows the words prints them
    "zsh": """
fpath=({share}/zsh/site-functions $fpath)
autoload -Uz compinit; compinit -u -D
_arguments() {{ print -- "$@" }}; _describe() {{ print -- "$@" }}
words=(registry-crawler init --auth ""); CURRENT=4
[ "$_comps[registry-crawler]" = _registry-crawler ] && _registry-crawler
""",
    "fish": """
source {share}/fish/vendor_completions.d/registry-crawler.fish
complete -C "registry-crawler init --auth "
""",
}
"""For each shell, what loads the completion as the shell does, and asks it for the values of --auth."""

FLAGS = {"bash": ["--norc", "-c"], "zsh": ["-f", "-c"], "fish": ["--no-config", "-c"]}


@pytest.mark.parametrize("shell", [pytest.param(shell, marks=requires(shell, shell)) for shell in COMPLETIONS])
async def test_manual_completions_work_in_their_shells(tmp_path, shell):
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = {"PATH": path, "HOME": str(tmp_path), "TERM": "dumb"}
    code, out, err = await run(shell, *FLAGS[shell], COMPLETIONS[shell].format(share=SHARE), env=environment)
    assert {"access-token", "docker-config", "anonymous"} <= set(re.findall(r"[\w-]+", out)), (code, out, err)
