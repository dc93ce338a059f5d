# make setup | repro | ablate | test: each creates .venv from the pinned requirements when it is missing or out of date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup repro ablate check test lint

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.txt requirements-dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	touch $@

check: setup
	$(BIN)/python -m objabn check

repro: check  # DVC starts the stages' `python`: the environment's comes first in PATH
	PATH="$(CURDIR)/$(BIN):$$PATH" dvc repro

ablate: check  # controls and audits over seeds, on the embedded data: an hour
	$(BIN)/python -m objabn ablate

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile
