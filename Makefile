# Everything a contributor or CI runs; each target sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Strict editable installs map single files, so a new or removed file asks for a reinstall.
LAYOUT := $(shell find platform models -type f -not -name '*.pyc' | LC_ALL=C sort | sha256sum | cut -c1-16)
RUNTIME := $(VENV)/.runtime-$(shell cat pyproject.toml constraints.txt | sha256sum | cut -c1-16)-$(LAYOUT)
DEV := $(RUNTIME)-dev
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
EDITABLE := --config-settings editable_mode=strict

.PHONY: help setup demo test check bench format protos clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 12

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): | $(VENV)/bin/python
	@echo "Installing Striate into $(VENV) …"
	@rm -f $(VENV)/.runtime-*
	$(PIP) $(EDITABLE) -e .
	@touch $@

$(DEV): $(RUNTIME)
	@echo "Installing the development tools into $(VENV) …"
	$(PIP) $(EDITABLE) -e '.[dev]'
	@touch $@

setup: $(DEV)  ## create .venv and install Striate with its development tools

demo: $(RUNTIME)  ## walk the whole way once; KEEP=1 leaves the platform up
	$(BIN)/striate demo $(if $(KEEP),--keep)

test: $(DEV)  ## run the whole suite: unit tests on all cores, then the rest, in turn, on one Ray cluster
	@failed=""; \
	$(BIN)/python -m pytest -m unit -n auto --dist worksteal || failed="$$failed unit"; \
	$(BIN)/python -m pytest -m "not unit" || failed="$$failed cluster-e2e-gpu"; \
	test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

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
