# make demo    the whole chain on a practice plant, one URL; make demo ARGS="--port 0 --seed 7"
# make test    every test; make quick leaves out the slow ones
# make check   what CI runs besides: style, types, import contracts, doctests, docs
# make bench-ingest  how fast telemetry comes in, ten minutes; a minute with ARGS=--quick
# make bench-engine  how fast the engines are, five minutes; half a minute with ARGS=--quick
# make docs    write the generated reference pages again

PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: demo test quick check bench-ingest bench-engine docs lock clean

demo: .venv/run
	$(BIN)/linetwin demo $(ARGS)

test: .venv/dev
	$(BIN)/python -m twin.engine
	$(BIN)/pytest -n 2 --dist loadfile -m "not alone"
	$(BIN)/pytest -m alone

quick: .venv/dev
	$(BIN)/python -m twin.engine
	$(BIN)/pytest -n 2 -m "not slow" tests/unit tests/contract tests/docs

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --doctest-modules twin maintenance connectors simulators
	$(BIN)/pytest tests/docs

bench-ingest: .venv/dev
	$(BIN)/python -m tests.benchmarks.bench_ingest $(ARGS)

bench-engine: .venv/dev
	$(BIN)/python -m tests.benchmarks.bench_engine $(ARGS)

docs: .venv/dev
	$(BIN)/python docs/generate.py

# Pin the newest versions again; needs uv on the path.
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q --upgrade --group build --group dev -o requirements/dev.txt
	uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q --upgrade --group build -c requirements/dev.txt -o requirements/run.txt

clean:
	rm -rf .venv .demo build dist

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "linetwin needs Python 3.11 or newer; say which: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run: requirements/run.txt pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/dev: requirements/dev.txt .venv/run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@
