# `make help` lists what there is. Every target makes what it needs: a virtual environment comes first.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
export AUTOML_DATA ?= $(abspath ../shared/data)
export DAGSTER_DISABLE_TELEMETRY := true
export ORT_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-runs test-parts test-all check audit ui bench clean

# Two halves of the tests, side by side: whole runs, daemons, servers and forecasts; and everything else.
RUNS := $(addprefix tests/,end_to_end cli sensors serving assets resources api third_family forecasting)
PYTEST := $(BIN)/python -m pytest -m "not long" --hypothesis-profile=repeatable

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 10

$(INSTALLED): pyproject.toml setup.py constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or 3.12 is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@echo "Installing; the first time takes some minutes"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(INSTALLED)  ## Install, run a real experiment through Dagster, print its leaderboard and test metrics
	$(BIN)/automl run breast_cancer

test: $(INSTALLED)  ## Install and run the tests that show each behaviour once: about half an hour
	@$(MAKE) --no-print-directory --jobs=2 --keep-going test-runs test-parts

test-runs: $(INSTALLED)
	$(PYTEST) $(RUNS)

test-parts: $(INSTALLED)
	$(PYTEST) $(addprefix --ignore=,$(RUNS))

test-all: $(INSTALLED)  ## Run the long tests as well: everything killed at every moment, compose, every server
	$(BIN)/python -m pytest

check: $(INSTALLED)  ## Format, lint, types and definitions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	AUTOML_STRICT=1 $(BIN)/dagster definitions validate -w workspace.yaml

audit: $(INSTALLED)  ## Ask for known vulnerabilities of the packages in use; see .ci/audit.md
	$(BIN)/python .ci/audit.py

ui: $(INSTALLED)  ## Open Dagster's UI on everything that has run
	$(BIN)/automl ui

bench: $(INSTALLED)  ## Measure orchestration overhead and the data sets in AUTOML_DATA
	$(BIN)/python benchmarks/orchestration.py
	$(BIN)/python benchmarks/tabular.py

clean:  ## Remove the virtual environment and what tools left behind
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
