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
STATIC := src/nbannot/viewer/static
JS_SOURCES := $(shell find js/src -type f 2>/dev/null)

.PHONY: help setup demo hub check test test-slow js chromium firefox checkers postgresql bench clean lint types layers pytest pytest-browser

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
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,demo]'
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

pytest: setup checkers postgresql deploy/node_modules/.installed
	$(BIN)/python -m pytest -q --ignore=tests/browser -n 2

check: lint types layers vitest pytest ## the quick checks (no browser)

chromium:
	@./tests/browser/find-chromium >/dev/null || ./tests/install-packages \
	  "The browser tests need Chromium (or NBANNOT_CHROMIUM with its path; make check runs the rest without)." chromium fonts-dejavu-core

firefox:
	@command -v firefox-esr >/dev/null || command -v firefox >/dev/null || ./tests/install-packages \
	  "The test of the reader's page in Firefox needs Firefox." firefox-esr

checkers:
	@test -f /usr/share/orthanc/plugins/libOrthancDicomWeb.so || ./tests/install-packages \
	  "The tests of DICOMweb need Orthanc." orthanc orthanc-dicomweb
	@command -v dciodvfy >/dev/null || ./tests/install-packages "The tests of written DICOM files need dciodvfy." dicom3tools
	@command -v dcmdjpeg >/dev/null && command -v dsr2xml >/dev/null || ./tests/install-packages \
	  "The tests compare DICOM files with dcmtk." dcmtk

postgresql:
	@command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || ./tests/install-packages \
	  "The tests of shared projects need PostgreSQL; they start it themselves." postgresql

# A test that fails in the run of three is run once more alone, for all to see. Status 1 is "tests failed"; anything
# else (nothing collected, a crash, an interruption) is told as it is. Where nothing failed by name there is nothing to run.
BROWSER_TESTS ?= tests/browser

pytest-browser: setup chromium firefox deploy/node_modules/.installed
	@rm -f .pytest_cache/v/cache/lastfailed; status=0; \
	$(BIN)/python -m pytest -q $(BROWSER_TESTS) -n 3 --dist worksteal --max-worker-restart 0 || status=$$?; \
	if [ $$status = 1 ]; then \
	  echo; echo "== The tests that failed are run once more, alone. A second failure stands. =="; \
	  status=0; $(BIN)/python -m pytest -q $(BROWSER_TESTS) --last-failed --last-failed-no-failures none || status=$$?; \
	  [ $$status = 0 ] && echo "== They pass alone: each is a test that fails by chance, to be mended. ==" || true; \
	fi; \
	exit $$status

test: check pytest-browser ## every check, in a real JupyterLab too

test-slow: setup postgresql chromium ## kill the service 50 times, and its database, while people work; a minute offline
	NBANNOT_KILLS=50 $(BIN)/python -m pytest -q tests/hub/test_faults.py
	NBANNOT_OFFLINE_S=60 $(BIN)/python -m pytest -q tests/browser/test_offline.py

bench: setup chromium ## measure against ipyniivue, Cornerstone3D, NiiVue and SimpleITK; ARGS="viewer --only scroll"
	$(BIN)/python bench $(ARGS)

clean: ## remove everything that was built
	rm -rf $(VENV) js/node_modules deploy/node_modules $(STATIC) dist build test-output demo-project demo-hub .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
