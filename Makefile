# `make demo` shows the main job; `make test` runs every check. Both set up what they need: a venv, npm packages.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

READER := server/crdt_sync_server/static/index.html

.PHONY: demo devices reader web screenshots test test-web lint bench setup system clean

demo: setup web
	@PYTHONPATH=. $(BIN)/python docs/examples/demo.py

# Two devices and a Yjs client, live, offline and together again, on the terminal.
devices: setup
	@PYTHONPATH=. $(BIN)/python docs/examples/devices.py

# The reader in a browser, built into the relay's package: docs/reader.md.
web: $(READER)

# The desktop reader, on this device alone: docs/desktop.md says how it gets in step.
reader: setup
	@PYTHONPATH=. $(BIN)/python -m docs.examples.desktop_reader

# What is set up waits for the network, and most tests for processes and sockets: they go side by side. The longest
# tests come first, see tests/conftest.py.
test:
	@$(MAKE) --no-print-directory --jobs=4 --output-sync=target system lint test-web
	$(BIN)/pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder --durations=15

test-web: setup web web/node_modules/ready
	cd web && npm run --silent check && npm run --silent build && npm test --silent

# The figures, side by side with the peers; never part of a test.
bench: setup system web $(VENV)/bench benchmarks/peers/node_modules/ready web/node_modules/ready
	for each in ceiling fan_out rooms idle join_storm slow_reader presence authentication cluster capacity million api disk engine latency local_store search; do \
		PYTHONPATH=. $(BIN)/python -m benchmarks.$$each || exit 1; done
	PYTHONPATH=. $(BIN)/python -m benchmarks.browser
	PYTHONPATH=. $(BIN)/python -m benchmarks.page
	PYTHONPATH=. $(BIN)/python -m benchmarks.plots
	PYTHONPATH=. $(BIN)/python benchmarks/blocking_calls.py
	PYTHONPATH=. $(BIN)/python benchmarks/polling.py
	PYTHONPATH=. $(BIN)/python benchmarks/operations.py
	PYTHONPATH=. $(BIN)/python -m benchmarks.relay_store
	PYTHONPATH=. $(BIN)/python -m benchmarks.backplane
	PYTHONPATH=. $(BIN)/python -m benchmarks.postgres_store
	PYTHONPATH=. $(BIN)/python -m benchmarks.webhooks
	PYTHONPATH=. $(BIN)/python -m benchmarks.imports
	PYTHONPATH=. $(BIN)/python -m benchmarks.reader
	PYTHONPATH=. $(BIN)/python benchmarks/fifty_years.py
	PYTHONPATH=. $(BIN)/python benchmarks/reading_positions.py
	PYTHONPATH=. $(BIN)/python -m benchmarks.anchors
	PYTHONPATH=. $(BIN)/python -m benchmarks.anchors_page
	PYTHONPATH=. $(BIN)/python benchmarks/planted.py
	PYTHONPATH=. $(BIN)/python benchmarks/simulation.py --seeds 10000
	PYTHONPATH=. $(BIN)/python benchmarks/churn.py
	PYTHONPATH=. $(BIN)/python benchmarks/fuzz.py

lint: setup web/node_modules/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd web && npm run --silent lint

setup: $(VENV)/ready tests/interop/node_modules/ready

# What the tests alone need from the system; the libraries are what Qt needs to start without a screen.
system:
	@sh tests/system_packages.sh caddy chromium curl haproxy jq lua5.1 nginx postgres promtool redis-server strace tinyproxy
	@sh tests/system_packages.sh systemd-analyze
	@sh tests/system_packages.sh libdbus-1.so.3 libEGL.so.1 libfontconfig.so.1 libGL.so.1 libglib-2.0.so.0 libxkbcommon.so.0

$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[server,postgres,redis]' --group dev
	touch $@

tests/interop/node_modules/ready: tests/interop/package-lock.json
	@sh tests/system_packages.sh node npm  # real Yjs: node 20 or later
	cd tests/interop && npm ci --no-audit --no-fund
	touch $@

web/node_modules/ready: web/package-lock.json
	@sh tests/system_packages.sh node npm
	cd web && npm ci --no-audit --no-fund
	touch $@

web/reader/node_modules/ready: web/reader/package-lock.json
	@sh tests/system_packages.sh node npm
	cd web/reader && npm ci --no-audit --no-fund
	touch $@

$(READER): web/reader/node_modules/ready $(shell find web/src web/reader -type f -not -path '*/node_modules/*' -not -path '*/.text/*')
	cd web/reader && npm run --silent check && npm run --silent build

# The pictures in docs/images, of the reader as it is now.
screenshots: setup web
	PYTHONPATH=. $(BIN)/python -m docs.examples.screenshots

$(VENV)/bench: $(VENV)/ready
	$(BIN)/pip install --quiet --constraint constraints.txt --group bench
	touch $@

benchmarks/peers/node_modules/ready: benchmarks/peers/package-lock.json
	@sh tests/system_packages.sh node npm
	cd benchmarks/peers && npm ci --no-audit --no-fund
	touch $@

clean:
	rm -rf $(VENV) web/node_modules web/dist web/.pages web/reader/node_modules web/reader/.text tests/e2e/artefacts server/crdt_sync_server/static tests/interop/node_modules benchmarks/peers/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis
