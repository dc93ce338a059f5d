# make setup | check | repro | ablate | test: each makes .venv from the pinned requirements when it is missing or old.
# repro installs what the pipeline needs; test and lint install the tools for development on top of it.
# make detectron2: builds that segmenter's library into .venv; SOURCE=DIR builds a checkout of it that is here.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup setup-tests detectron2 repro ablate check test lint

setup: $(VENV)/.installed
setup-tests: $(VENV)/.installed-tests

$(VENV)/.installed: requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .  # the command objabn
	touch $@

$(VENV)/.installed-tests: $(VENV)/.installed requirements-dev.txt requirements-ray.txt requirements-transformers.txt \
    requirements-export.txt
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	touch $@

detectron2: setup
	PYTHON=$(BIN)/python sh tools/detectron2.sh $(if $(SOURCE),"$(SOURCE)")

check: setup
	$(BIN)/python -m objabn check

repro: check  # trainings side by side, at the end a table of stage times; JOBS=4: four at a time
	$(BIN)/python -m objabn repro $(if $(JOBS),--jobs $(JOBS))

ablate: check  # controls and audits over seeds, on the embedded data: hours
	$(BIN)/python -m objabn ablate

lint: setup-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile
