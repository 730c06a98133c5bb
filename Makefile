# Two commands matter: `make demo` and `make test`. Both set up what is missing.
.DEFAULT_GOAL := help
SHELL := /bin/bash
# The first that runs and is new enough, the lock's own version before others; a name alone may be an empty shim.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

help:  ## what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

$(READY): requirements.lock pyproject.toml
	@echo "setting up $(VENV)"
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (set PYTHON=…)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --require-hashes --python $(BIN)/python -r requirements.lock
	@$(BIN)/uv pip install --quiet --no-deps --python $(BIN)/python --editable .
	@$(BIN)/python -m ensurepip --upgrade >/dev/null 2>&1 || true
	@touch $@

setup: $(READY)  ## lay the environments and train the model
	@$(BIN)/whosent nlu train

demo: $(READY)  ## everything on this machine, with a phone and a desk in the browser
	@$(BIN)/whosent demo $(DEMO)

test: setup  ## all tests; those that need PostgreSQL, Redis or Chromium say so when they are skipped
	@$(BIN)/python -m pytest $(TEST)

lint: $(READY)  ## ruff and mypy
	@$(BIN)/ruff check .; found=$$?; $(BIN)/mypy && exit $$found

interleavings: $(READY)  ## 10 000 random interleavings of STOP with all that could undo it, on each database
	@INTERLEAVINGS=$${INTERLEAVINGS:-10000} $(BIN)/python -m pytest -rP tests/integration/test_interleavings.py -k no_interleaving

conversations: setup  ## docs/conversations.md: each of its conversations held anew
	@$(BIN)/python -m tests.conversations --write docs/conversations.md

bench: setup  ## the figures of docs/measurements.md, printed
	@$(BIN)/python -m tests.bench $(BENCH)

lock: $(READY)  ## both locks anew, with hashes and no addresses
	@$(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade --extra dev pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --python-version 3.10 --generate-hashes --no-emit-index-url --upgrade nlu/pyproject.toml -o nlu/requirements.lock

keyword-neighbours: $(READY)  ## words one slip beside a keyword, anew; needs hunspell and its dictionaries
	@$(BIN)/python scripts/keyword_neighbours.py

clean:  ## the demo's data and caches; environments stay
	@rm -rf var/demo .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info

.PHONY: help setup demo test lint interleavings conversations bench lock keyword-neighbours clean
