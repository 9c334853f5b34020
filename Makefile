# `make run` and `make test` are all a new user needs; each sets up what it wants.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEBIAN := nginx-light apache2 sslscan openssl gnutls-bin libnss3-tools redis-server gcc libc6-dev
SUDO   := $(shell [ "$$(id -u)" = 0 ] || (command -v sudo >/dev/null && sudo -n true 2>/dev/null && echo sudo -n) || echo no)

OBSOLETE := $(VENV)/lib/broker/obsolete_tls.so

# More than the cores: most of a test is waiting. A file is run by one worker, for the servers that its tests share.
WORKERS ?= 3
PYTEST  := $(BIN)/pytest -n $(WORKERS) --dist loadfile

.PHONY: run test coverage check lint types imports bench obsolete-tls clean

run: $(VENV)/.run
	$(BIN)/broker certs --out certs
	$(BIN)/broker demo -c routes.yaml

test: check $(VENV)/.obsolete
	$(PYTEST) --durations=15

# Tracing every line makes the tests take twice as long.
coverage: $(VENV)/.test $(VENV)/.obsolete
	$(PYTEST) --cov --cov-report=term:skip-covered

check: lint types imports

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

imports: $(VENV)/.test
	$(BIN)/lint-imports

obsolete-tls: | $(BIN)/python
	@sh tests/debian-packages.sh "$(SUDO)" gcc make perl patch libc6-dev
	sh broker/tls/private/build.sh .obsolete-tls $(OBSOLETE)

bench: $(VENV)/.bench
	$(BIN)/python -m bench

$(BIN)/python:
	@# Debian keeps ensurepip in a package of its own; the system's pip can fill the environment as well.
	$(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); $(PYTHON) -m venv --without-pip $(VENV) && \
	    $(PYTHON) -m pip --python $(BIN)/python install -q pip; }

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[test]'
	@sh tests/debian-packages.sh "$(SUDO)" $(DEBIAN)
	touch $@ $(VENV)/.run

# Where it cannot be built, the tests that need it are skipped and named.
$(VENV)/.obsolete: $(wildcard broker/tls/private/*.sh broker/tls/private/*.[ch]) | $(BIN)/python
	@$(MAKE) --no-print-directory obsolete-tls && touch $@ || echo "no private OpenSSL: tests that need it are skipped" >&2

$(VENV)/.bench: $(VENV)/.test $(VENV)/.obsolete
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[test,bench]'
	@sh tests/debian-packages.sh "$(SUDO)" nginx-light haproxy stunnel4 gcc libc6-dev libssl-dev
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* .obsolete-tls bench/out
