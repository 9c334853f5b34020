# `make run` and `make test` are all a new user needs; each sets up what it wants.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DEBIAN := nginx-light sslscan openssl
SUDO   := $(shell [ "$$(id -u)" = 0 ] || (command -v sudo >/dev/null && sudo -n true 2>/dev/null && echo sudo -n) || echo no)

.PHONY: run test check lint types imports unit bench clean

run: $(VENV)/.run
	$(BIN)/broker certs --out certs
	$(BIN)/broker demo -c routes.yaml

test: check
	$(BIN)/pytest --cov --cov-report=term:skip-covered

check: lint types imports

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

imports: $(VENV)/.test
	$(BIN)/lint-imports

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

$(VENV)/.bench: $(VENV)/.test
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[test,bench]'
	@sh tests/debian-packages.sh "$(SUDO)" nginx-light haproxy gcc libc6-dev libssl-dev
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* bench/out
