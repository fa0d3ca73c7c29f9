# Everything here works on a machine that has Python 3.11 with venv and pip, and make.
PYTHON ?= python3
BIN := .venv/bin

export PIP_CONSTRAINT := $(CURDIR)/.ci/constraints.txt

.PHONY: demo test check soak bench clean

demo: .venv/installed
	$(BIN)/registry-crawler demo

# Two processes for each processor, since many tests wait for a process or a time-out.
test: .venv/installed
	$(BIN)/pytest --numprocesses $$($(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))') --dist worksteal

check: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Kills, faults and a quota for about five minutes, then outages for about ten: nothing may be lost, and nothing listed
# twice. SOAK="outages --only refused:10,tokens" chooses.
soak: .venv/installed
	$(BIN)/python tests/perf/soak.py $(SOAK)

# What a crawl costs beside other clients; under ten minutes. Needs Debian's nginx-light; takes skopeo, crane and gcrane
# along where they are installed. BENCH="--only a,i --json FILE" chooses.
bench: .venv/installed
	$(BIN)/python tests/perf $(BENCH)

.venv/installed: pyproject.toml .ci/constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache snapshots registry-crawler-demo
