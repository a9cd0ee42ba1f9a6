# `make demo` shows the main job; `make test` runs every check. Both set up what they need: a venv, npm packages.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench setup system clean

demo: setup
	@PYTHONPATH=. $(BIN)/python docs/examples/demo.py

test: setup system lint
	$(BIN)/pytest

# The figures, side by side with the peers; never part of a test.
bench: setup
	PYTHONPATH=. $(BIN)/python benchmarks/latency.py
	PYTHONPATH=. $(BIN)/python benchmarks/local_store.py
	PYTHONPATH=. $(BIN)/python benchmarks/fan_out.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: $(VENV)/ready tests/interop/node_modules/ready

# What the tests alone need from the system. As root on Debian it is installed; a missing part fails its test.
system:
	@command -v strace >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq strace >/dev/null; } || \
		echo "make: strace is missing, and one test needs it (Debian: apt-get install strace)" >&2

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
