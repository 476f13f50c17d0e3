# `make demo` and `make test` set everything up by themselves, on any machine with Python >= 3.11.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
# CPU seconds that a test not marked slow may cost in the mean: they cost 0.25, and 0.45 leaves room for slow machines.
CPU_BUDGET ?= 0.45
export PYTHONSAFEPATH := 1
export TOKENIZERS_PARALLELISM := false

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-all lint types docs wheel lock bench clean

help:            ## List the commands.
	@sed -n 's/^\([a-z-]*\):[^#]*## /  make \1\t/p' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (once, a few minutes)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "siftset needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade "pip>=25.1"
	@$(PIP) install --constraint constraints.txt --editable ".[local]"
	@touch $@

$(READY_DEV): $(READY)
	@$(PIP) install --constraint constraints.txt --group dev
	@touch $@

demo: $(READY)   ## Curate the shipped nike recipe, train on it, compare before and after.
	@$(BIN)/siftset doctor --fetch
	@$(BIN)/siftset curate nike
	@$(BIN)/siftset train nike --yes
	@echo
	@$(BIN)/siftset report nike

test: $(READY_DEV) ## Run all tests but those marked slow; they keep to a budget of CPU seconds each.
	@$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow" --cpu-budget $(CPU_BUDGET)

test-slow: $(READY_DEV) ## Run the tests marked slow.
	@$(BIN)/python -m pytest -n auto --dist worksteal -m slow

test-all: $(READY_DEV) ## Run every test, with every case of those that cost much.
	@SIFTSET_TESTS=full $(BIN)/python -m pytest -n auto --dist worksteal

lint: $(READY_DEV) ## Style and the direction of imports.
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-cache

types: $(READY_DEV) ## Static types, strictly.
	@$(BIN)/mypy

wheel: $(READY_DEV) ## Build the wheel and the sdist into dist/.
	@rm -rf dist && $(BIN)/python -m build --outdir dist .

docs: $(READY_DEV)  ## Build the documentation site into site/, without a network.
	@for page in kinds recipe commands messages api notebook; do $(BIN)/python docs/make_$$page.py || exit 1; done
	@$(BIN)/python -m mkdocs build --quiet

lock:            ## Write requirements.lock, the dependencies of siftset[local] with their hashes (needs uv).
	@uv pip compile pyproject.toml --extra local --constraint constraints.txt --universal --python-version 3.11 \
		--generate-hashes --no-annotate --custom-compile-command "make lock" --output-file requirements.lock --quiet

bench: $(READY_DEV) ## Measure against the peers (see benchmarks/README.md).
	@$(BIN)/python benchmarks/against_peers.py

clean:           ## Remove the environment and what was built; never an output folder.
	@rm -rf $(VENV) dist build site
