# `make` alone lists the targets. Needs only Python >= 3.11; PYTHON, VENV and PYTEST_WORKERS may be set.
PYTHON ?= python3
VENV ?= .venv
PYTEST_WORKERS ?= 3
BIN := $(VENV)/bin
PACKAGES := auth_service resource_service client dualtoken_serving
AUDIT = $(BIN)/python requirements/audit.py requirements/main.txt requirements/cli.txt requirements/otel.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-slow chaos test-compose bench bench-check lint audit release-check format lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The services and the client alone, then what development adds: `make demo` need not wait for the latter.
$(VENV)/.main: requirements/main.txt
	@command -v $(PYTHON) >/dev/null || { echo 'no $(PYTHON) here: name a Python of 3.11 or newer with PYTHON=…' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dualtoken needs Python 3.11 or newer, $(PYTHON) is %d.%d: name another with PYTHON=…" % sys.version_info[:2])'
	@$(PYTHON) requirements/install.py $(VENV) --require-hashes -r requirements/main.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.main requirements/dev.txt pyproject.toml
	@$(PYTHON) requirements/install.py $(VENV) --require-hashes -r requirements/dev.txt
	@$(PYTHON) requirements/install.py $(VENV) --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(VENV)/.dev ## make .venv with everything that development needs

demo: $(VENV)/.main ## log in, expire, refresh once per burst, catch a thief
	$(BIN)/python -m client demo

up: $(VENV)/.main ## run both services and the web page for play, until Ctrl-C
	$(BIN)/python -m client up

test: setup ## the whole suite, in three processes: much of it waits
	$(BIN)/python -m pytest --numprocesses=$(PYTEST_WORKERS) --dist=worksteal $(PYTEST_ARGS)

test-slow: setup ## the same beside two busy loops on each core: nothing may fail for want of time
	$(BIN)/python -m tests.busy_loops $(BIN)/python -m pytest --numprocesses=$(PYTEST_WORKERS) --dist=worksteal $(PYTEST_ARGS)

chaos: setup ## the soak: kill services and databases under mixed load, add all up (CHAOS_S=120 seconds)
	$(BIN)/python -m tests.system.chaos

test-compose: setup ## the Compose stack, for real: needs a Docker engine
	$(BIN)/python -m pytest tests/compose --compose $(PYTEST_ARGS)

bench: setup ## measure beside other servers and clients, each installed for it, then each goal in few rounds (half an hour)
	$(BIN)/python -m benchmarks.installation
	$(BIN)/python -m benchmarks.side_by_side $(BENCH_ARGS)
	$(if $(BENCH_ARGS),,$(BIN)/python -m benchmarks.goals --quick --tell)

bench-check: setup ## fail below the goals of docs/performance.md, or below the figure that it gives for a goal not reached
	$(BIN)/python -m benchmarks.installation
	$(BIN)/python -m benchmarks.goals $(BENCH_ARGS)

# The audit's 3: no source of advisories can be reached. That is said, and fails nobody who is offline.
lint: setup ## ruff, mypy --strict, import-linter, bandit, pip-audit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml $(PACKAGES)
	$(AUDIT) || [ $$? -eq 3 ]

audit: setup ## known vulnerabilities of what the images hold; fails also where nobody can be asked
	$(AUDIT)

release-check: setup ## build the commit for upload, check it, install it into clean environments, run it
	rm -rf build dist && mkdir -p build/tree
	git archive HEAD | tar -x -C build/tree
	$(BIN)/python -m build --no-isolation --outdir dist build/tree
	$(BIN)/twine check --strict dist/*
	npm pack ./client/web --pack-destination dist --ignore-scripts --loglevel error
	DUALTOKEN_DIST=dist $(BIN)/python -m pytest tests/packaging tests/browser/test_npm_package.py $(PYTEST_ARGS)

format: setup ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## write requirements/*.txt anew from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-annotate --python-version 3.11 \
	  --custom-compile-command 'make lock' pyproject.toml --extra auth --extra resource --extra cli -o requirements/main.txt
	uv pip compile --quiet --universal --generate-hashes --no-annotate --python-version 3.11 \
	  --custom-compile-command 'make lock' pyproject.toml --extra cli -c requirements/main.txt -o requirements/cli.txt
	uv pip compile --quiet --universal --generate-hashes --no-annotate --python-version 3.11 \
	  --custom-compile-command 'make lock' pyproject.toml --extra auth --extra resource --extra cli --extra otel -c requirements/main.txt -o requirements/otel.txt
	uv pip compile --quiet --universal --generate-hashes --no-annotate --python-version 3.11 \
	  --custom-compile-command 'make lock' pyproject.toml --extra all --group dev -c requirements/main.txt -o requirements/dev.txt

clean: ## remove what the targets above made
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .schemathesis benchmarks/.peers benchmarks/peers/node/node_modules tests/browser/npm/node_modules examples/vue-axios/node_modules examples/vue-axios/dist build dist *.egg-info
	find $(PACKAGES) tests -name __pycache__ -type d -exec rm -rf {} +
