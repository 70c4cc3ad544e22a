# make demo   a hub on made-up traffic and an embedded PostgreSQL, counts as they grow; Ctrl-C ends it
#             BUS=amqp for statscache consume and a RabbitMQ of the demo's own, where rabbitmq-server is installed
# make test   all tests; needs no server, no root and no other checkout; PYTEST_ARGS='-m "not slow"' for the quick ones
# make torture   kills, cuts off, freezes and fills up everything, for about 30 minutes; every table must stay right
#                TORTURE_ARGS='--only failover --runs 50' for one kind of it
# make history   kills daemons while they fill gaps from an archive, for about 15 minutes; every table must be complete
# make bench   how fast it is, each figure beside a control, in less than ten minutes; BENCH_ARGS='--only paced'
# make bench-growth   the same with 10 and 100 plugins, and on tables of 50 million rows, which take 12 GB of disk
# make soak   half an hour of slow traffic: what grows
# make lint   what a change must also pass
# make docs   the documentation, in docs/_build/html; a warning or a link that leads nowhere fails it
# make package   the source package and the wheel in dist/, and the demo and tests of the bus from the installed wheel
# make image   the image of a container from that wheel, and runs it; needs root, debootstrap and buildah
# make page-pictures   the pictures of the page, docs/_static/page-*.png, from a demo in Debian's Chromium
# make picture   the picture of the README, docs/_static/demo.svg, from a demo that runs for a minute and a half

PYTHON ?= python3
VENV ?= .venv
BUS := fedmsg
PYTEST_ARGS ?=
WORKERS ?= 3
BENCH_ARGS ?=
SEED ?= 1
TORTURE_ARGS ?=
RUNS ?= 120
# What tests publish with, in an environment of its own.
PUBLISHER := fedora-messaging>=3.9,<4

, := ,
# Installs with one line of progress at a terminal, since it takes a minute or two.
define install
@echo 'Installing statscache and what it needs into $(VENV), which takes a minute or two …'
@rm -f $(VENV)/.failed; { $(VENV)/bin/pip install --editable '$(1)' || touch $(VENV)/.failed; } | \
	while IFS= read -r line; do if [ -t 2 ]; then printf '\r\033[K%.78s' "$$line" >&2; fi; done; \
	if [ -t 2 ]; then printf '\r\033[K' >&2; fi; test ! -e $(VENV)/.failed
endef

# Tests start thousands of processes, each of which would else compile all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test torture history bench bench-growth soak lint docs package image picture page-pictures dev clean

demo: $(VENV)/.demo$(if $(filter amqp,$(BUS)),-amqp)
	@$(VENV)/bin/statscache demo$(if $(filter-out fedmsg,$(BUS)), --bus $(BUS))

test: $(VENV)/.dev
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

torture: $(VENV)/.dev
	$(VENV)/bin/python -m tests.system.torture --seed $(SEED) $(TORTURE_ARGS)

history: $(VENV)/.dev
	$(VENV)/bin/python -m tests.system.history --seed $(SEED) --runs $(RUNS)

bench: $(VENV)/.dev
	$(VENV)/bin/python -m benchmarks $(BENCH_ARGS)

bench-growth: $(VENV)/.dev
	$(VENV)/bin/python -m benchmarks --only growth $(BENCH_ARGS)

soak: $(VENV)/.dev
	$(VENV)/bin/python -m benchmarks --only soak $(BENCH_ARGS)

lint: $(VENV)/.dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache

docs: $(VENV)/.dev
	$(VENV)/bin/python -m sphinx --builder html --fresh-env --write-all --nitpicky --fail-on-warning --keep-going \
		--quiet docs docs/_build/html
	$(VENV)/bin/python docs/check_links.py docs/_build/html
	@echo 'The documentation is in docs/_build/html/index.html'

package: $(VENV)/.dev
	$(VENV)/bin/python -m tests.packaging

image: package
	$(VENV)/bin/python -m tests.packaging.image

page-pictures: $(VENV)/.dev
	$(VENV)/bin/python docs/page_pictures.py

picture: $(VENV)/.dev
	$(VENV)/bin/python docs/picture.py

dev: $(VENV)/.dev

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: setup.py pyproject.toml | $(VENV)/bin/python
	$(call install,.[embedded$(,)web])
	@touch $@

$(VENV)/.demo-amqp: setup.py pyproject.toml | $(VENV)/bin/python
	$(call install,.[embedded$(,)web$(,)amqp])
	@touch $@ $(VENV)/.demo

$(VENV)/.dev: setup.py pyproject.toml | $(VENV)/bin/python
	$(call install,.[embedded$(,)test$(,)lint$(,)docs])
	@$(PYTHON) -m venv $(VENV)/publisher && $(VENV)/publisher/bin/pip install --quiet '$(PUBLISHER)'
	@touch $@ $(VENV)/.demo $(VENV)/.demo-amqp

clean:
	rm -rf $(VENV) .demo .demo-amqp build dist *.egg-info docs/_build
