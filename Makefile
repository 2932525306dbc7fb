# `make demo` shows it, `make test` checks it all; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PORT ?= 8888
HUB_PORT ?= 8000
DATABASE ?= sqlite
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NODE_BIN := js/node_modules/.bin
# What Python has compiled once is kept: a test starts many processes.
export PYTHONDONTWRITEBYTECODE :=
STATIC := src/nbannot/viewer/static
JS_SOURCES := $(shell find js/src -type f 2>/dev/null)

.PHONY: help setup demo hub check test test-slow js packages browsers postgresql ceph bench clean source lint types layers vitest pytest-quick pytest pytest-browser

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.installed $(STATIC)/viewer.js ## make .venv, install everything, build the browser module

$(VENV)/.python:
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing. Debian: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V). Set PYTHON=python3.12, say."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing. Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.python pyproject.toml jupyter-config/nbannot.json
	@echo "Installing nbannot and what it needs into $(VENV); a minute or two, the first time only."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -e '.[dev,demo]'
	$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	mkdir -p $(VENV)/etc/jupyter/jupyter_server_config.d
	cp jupyter-config/nbannot.json $(VENV)/etc/jupyter/jupyter_server_config.d/
	touch $@

js/node_modules/.installed: js/package.json js/package-lock.json
	@command -v node >/dev/null && command -v npm >/dev/null || { echo "node and npm are missing (node 20 or newer). Debian: apt-get install nodejs npm"; exit 1; }
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' || { echo "node 20 or newer is needed; this is $$(node --version)."; exit 1; }
	cd js && npm ci --silent --no-audit --no-fund
	touch $@

$(STATIC)/viewer.js: js/node_modules/.installed js/build.mjs $(JS_SOURCES)
	cd js && node build.mjs

js: $(STATIC)/viewer.js ## build the browser module

demo: setup ## open JupyterLab on the demo project (PORT=8888)
	$(BIN)/nbannot demo --port $(PORT)

deploy/node_modules/.installed: deploy/package.json deploy/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing. Debian: apt-get install nodejs npm"; exit 1; }
	cd deploy && npm ci --silent --no-audit --no-fund
	touch $@

hub: setup deploy/node_modules/.installed ## a whole local JupyterHub with the demo project (HUB_PORT=8000 DATABASE=sqlite|postgres)
	$(BIN)/python deploy/local_hub.py --port $(HUB_PORT) --database $(DATABASE)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy
	$(NODE_BIN)/tsc --noEmit -p js

layers: setup
	$(BIN)/lint-imports --no-cache
	cd js && node_modules/.bin/depcruise --config .dependency-cruiser.cjs src

vitest: setup
	cd js && node_modules/.bin/vitest run

# tests/conftest.py says which tests are slow. Neighbours stay with one worker, so that it alone starts their server.
pytest-quick: setup
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow"

pytest: setup packages deploy/node_modules/.installed
	$(BESIDE) $(BIN)/python -m pytest -q --ignore=tests/browser -n 2 --dist worksteal

check: setup ## the quick checks: no server, no browser, nothing but Python and node
	@$(MAKE) --no-print-directory -j2 -Otarget pytest-quick source

# Programs of Debian that tests use. What is there already is not looked for again.
packages:
	@./tests/install-packages browser archive dicom database

browsers:
	@./tests/install-packages browser

postgresql:
	@./tests/install-packages database

ceph:
	@./tests/install-packages bucket

# A test that fails in the run of three is run once more alone, for all to see. Status 1 is "tests failed"; anything
# else (nothing collected, a crash, an interruption) is told as it is. Where nothing failed by name there is nothing to run.
BROWSER_TESTS ?= tests/browser
BROWSER_CACHE := .pytest_cache/browser

pytest-browser: setup browsers deploy/node_modules/.installed
	+@rm -rf $(BROWSER_CACHE); status=0; \
	$(BIN)/python -m pytest -q -o cache_dir=$(BROWSER_CACHE) $(BROWSER_TESTS) -n 3 --dist worksteal --max-worker-restart 0 || status=$$?; \
	if [ $$status = 1 ]; then \
	  echo; echo "== The tests that failed are run once more, alone. A second failure stands. =="; \
	  status=0; $(BIN)/python -m pytest -q -o cache_dir=$(BROWSER_CACHE) $(BROWSER_TESTS) --last-failed --last-failed-no-failures none || status=$$?; \
	  [ $$status = 0 ] && echo "== They pass alone: each is a test that fails by chance, to be mended. ==" || true; \
	fi; \
	exit $$status

# Setting up is mostly waiting for the network, so its three parts run side by side. The browser tests wait much, too:
# what they leave of two cores goes to all else, which gives way to them. The browser tests are told of as they go
# (that is what the + of their recipe does), all else in one piece each.
test: ## every check once, in a real JupyterLab too
	@$(MAKE) --no-print-directory -j3 setup packages deploy/node_modules/.installed
	@$(MAKE) --no-print-directory -j2 -Otarget BESIDE='nice -n 5' pytest-browser source pytest

source: setup
	@$(BESIDE) $(MAKE) --no-print-directory lint types layers vitest

test-slow: setup browsers postgresql ceph ## kill the service 50 times, and its database, while people work; a minute offline; projects on Ceph
	NBANNOT_KILLS=50 $(BIN)/python -m pytest -q tests/hub/test_faults.py tests/store/slow_ceph.py
	NBANNOT_OFFLINE_S=60 $(BIN)/python -m pytest -q tests/browser/test_offline.py

bench: setup browsers ## measure against ipyniivue, Cornerstone3D, NiiVue and SimpleITK; ARGS="viewer --only scroll"
	$(BIN)/python bench $(ARGS)

clean: ## remove everything that was built
	rm -rf $(VENV) js/node_modules deploy/node_modules $(STATIC) dist build test-output demo-project demo-hub .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
