# Needs Python 3.11, 3.12 or 3.13, pip and make; everything else is set up in .venv on first use.

VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.gliofield-core
DEV := $(VENV)/.gliofield-dev
DOCS := $(VENV)/.gliofield-docs
SETUP := pyproject.toml constraints.txt scripts/setup_environment.sh
WORKERS ?= 2
export VENV PYTHON WORKERS

.DEFAULT_GOAL := help
.PHONY: help demo core dev test test-slow test-all lint types format docs gallery wheel bench size clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

demo: $(CORE)  ## Grow a virtual patient, personalize it, score it against its truth (needs no data)
	@$(BIN)/gliofield demo --force $(ARGS)

core: $(CORE)  ## Install gliofield into .venv

dev: $(DEV)  ## Install gliofield and the development tools into .venv

test: $(DEV)  ## Run the tests (ARGS="tests/unit -k grid" to choose)
	@scripts/run_tests.sh fast $(ARGS)

test-slow: $(DEV)  ## Run the tests that take longer
	@scripts/run_tests.sh slow $(ARGS)

test-all: $(DEV)  ## Run every test, GPU tests too where there is one
	@scripts/run_tests.sh all $(ARGS)

lint: $(DEV)  ## Check style and layout of the code
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: $(DEV)  ## Check the types
	@$(BIN)/mypy

format: $(DEV)  ## Lay out the code
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

docs: $(DOCS)  ## Check that the prose is true, and build the site build/site (needs no network)
	@scripts/run_tests.sh all tests/docs $(ARGS)
	@$(BIN)/python scripts/build_site.py

gallery: $(DOCS)  ## Run the examples and draw their figures anew (ARGS=--stale: those that changed)
	@$(BIN)/python scripts/gallery.py $(ARGS)

wheel: $(DEV)  ## Build wheel and sdist, and try them in an environment outside of this folder
	@scripts/try_wheel.sh build/wheel-trial

bench: $(DEV)  ## Run the benchmarks (ARGS=benchmarks/growth/bench_reaction_diffusion.py for one)
	@for script in $(if $(ARGS),$(ARGS),$(sort $(wildcard benchmarks/*/bench_*.py))); do \
		echo "== $$script"; $(BIN)/python $$script || exit 1; \
	done

size: $(CORE)  ## Count files, lines and lines of code of each folder
	@$(BIN)/python scripts/count_size.py

clean:  ## Remove the environment and everything that was built
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis .benchmarks
	find src tests benchmarks scripts -type d -name __pycache__ -prune -exec rm -rf {} +

$(CORE): $(SETUP)
	@scripts/setup_environment.sh $(VENV) core
	@touch $@

$(DOCS): $(DEV)
	@scripts/setup_environment.sh $(VENV) docs
	@touch $@

$(DEV): $(SETUP)
	@scripts/setup_environment.sh $(VENV) dev
	@touch $(CORE) $@
