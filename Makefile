# Everything a developer does, one verb each. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin

# caches stay in the project's folder; traffic on loopback needs no proxy
export STREAMRNN_CACHE_DIR ?= $(CURDIR)/.cache
export NUMBA_CACHE_DIR ?= $(STREAMRNN_CACHE_DIR)/numba
export PIP_DISABLE_PIP_VERSION_CHECK := 1

ARGS ?=

.PHONY: help
help: ## list these verbs
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

.PHONY: demo
demo: $(VENV)/.demo ## watch networks learn from a real Kafka (ARGS="--crash", "--follow", …)
	@$(BIN)/streamrnn demo $(ARGS)

.PHONY: test
test: $(VENV)/.test ## every test but the long ones
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not chaos" $(ARGS)

.PHONY: check
check: $(VENV)/.test ## format, lint, types, floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(VENV)/.test ## rewrite the code as `make check` wants it
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: $(VENV)/.test ## how fast: a step against PyTorch and C, the pipeline against a bare copy
	$(BIN)/python benchmarks/step.py $(ARGS)
	$(BIN)/python benchmarks/limit/limit.py $(ARGS)
	$(BIN)/python benchmarks/pipeline.py $(ARGS)

.PHONY: chaos
chaos: $(VENV)/.test ## 100 kills of worker and broker, then compare every bit (about half an hour)
	$(BIN)/python -m pytest -m chaos $(ARGS)

.PHONY: clean
clean: ## remove the environment, caches and data of the demo
	rm -rf $(VENV) .cache .data .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python found. Install Python 3.11 or newer, or say make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is older than Python 3.11. Say make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "This Python cannot make environments. On Debian or Ubuntu: apt-get install python3-venv (or python3.11-venv); then say make again." >&2; exit 2; }
	@"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); exit 2; }

# the stamps hold until what is installed changes
$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing streamrnn into $(VENV) (once) …"
	@$(BIN)/python -m pip install -q -c constraints.txt -e '.[demo]'
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing streamrnn with its tests and torch, their oracle, into $(VENV) (once) …"
	@$(BIN)/python -m pip install -q -c constraints.txt -e '.[test,torch]'
	@touch $@ $(VENV)/.demo
