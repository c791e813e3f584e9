# make demo, make test and the rest: each installs what is missing, on Debian and Ubuntu, before it begins.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PYTHON

.PHONY: help demo test test-all lint bench clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo      mount a made-up tracker with years of history, and look at it'
	@echo 'make test      linter, strict type check and tests; make test-all also runs the slow ones'
	@echo 'make bench     measure, on generated trackers of up to 100,000 tickets'
	@echo 'make install   install below PREFIX (/usr/local)'
	@echo 'make clean     remove what these made here'

# pyproject.toml says what the environment holds; --group needs pip 25.1.
$(VENV)/ready: pyproject.toml
	packaging/system-dependencies run build
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@

lint: $(VENV)/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

test: lint
	packaging/system-dependencies run build test
	$(BIN)/pytest -m 'not slow'

test-all: lint
	packaging/system-dependencies run build test
	$(BIN)/pytest

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
