# Everything a contributor or CI runs; each target sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Strict editable installs map single files, so a new or removed file asks for a reinstall.
LAYOUT := $(shell find platform models -type f -not -name '*.pyc' | LC_ALL=C sort | sha256sum | cut -c1-16)
RUNTIME := $(VENV)/.runtime-$(shell cat pyproject.toml constraints.txt | sha256sum | cut -c1-16)-$(LAYOUT)
DEV := $(RUNTIME)-dev
PIP := $(BIN)/python .ci/install.py
PINNED := --config-settings editable_mode=strict -c constraints.txt
UNIT := $(BIN)/python -m pytest -m unit -n auto --dist worksteal
REST := $(BIN)/python -m pytest -m

.PHONY: help setup demo test test-unit test-rest check bench format protos clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/bin/python:
	@echo "Making $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(RUNTIME): | $(VENV)/bin/python
	@rm -f $(VENV)/.runtime-*
	@$(PIP) "Striate and what it runs on into $(VENV)" $(PINNED) -e .
	@touch $@

$(DEV): $(RUNTIME)
	@$(PIP) "the development tools into $(VENV)" $(PINNED) -e '.[dev]'
	@touch $@

setup: $(DEV)  ## create .venv and install Striate with its development tools

demo: $(RUNTIME)  ## walk the whole way once; KEEP=1 leaves the platform up
	$(BIN)/striate demo $(if $(KEEP),--keep)

test: $(DEV)  ## run the whole suite: unit tests on all cores, then the rest on one Ray cluster
	@$(MAKE) --no-print-directory -k test-unit test-rest

test-unit: $(DEV)  ## run the unit tests alone, on all cores
	$(UNIT)

test-rest: $(DEV)  ## run all but the unit tests, half of them beside the others
	@$(BIN)/python .ci/beside.py $(REST) "not unit and shares_platform" -- \
	  $(REST) "not unit and not shares_platform"

check: $(DEV)  ## lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(DEV)  ## reformat the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

protos: $(DEV)  ## regenerate the gRPC code from the .proto files
	$(BIN)/python -m striate.serve.protos.generate

bench: $(DEV)  ## run every benchmark; QUICK=1 for the short form
	@missed=""; for file in $$(grep -lE '^from harness import .*main' benchmarks/*.py); do \
	  $(BIN)/python $$file $(if $(QUICK),--quick) || missed="$$missed $$file"; \
	done; test -z "$$missed" || { echo "targets missed in:$$missed"; exit 1; }

clean:  ## remove what the other targets made
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
