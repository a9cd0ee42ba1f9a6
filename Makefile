# `make demo` shows the main job; `make test` runs every check. Both set up what they need: a venv, npm packages.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench setup clean

demo: setup
	@PYTHONPATH=. $(BIN)/python docs/examples/demo.py

test: setup lint
	$(BIN)/pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: $(VENV)/ready tests/interop/node_modules/ready

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[server]' --group dev
	touch $@

tests/interop/node_modules/ready: tests/interop/package-lock.json
	@command -v npm >/dev/null || { echo "make: node 20 or later with npm is needed: the tests run real Yjs. Install it (Debian: apt-get install nodejs npm) and call make again." >&2; exit 1; }
	cd tests/interop && npm ci --no-audit --no-fund
	touch $@

clean:
	rm -rf $(VENV) tests/interop/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis
