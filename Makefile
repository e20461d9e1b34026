# `make` alone lists the targets. Everything but the tools in .venv is in scripts/.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# No advice to move molecule/, and no frame of 80 columns around its output.
export MOLECULE_GLOB := molecule/*/molecule.yml
export MOLECULE_COMMAND_BORDERS := false
# What draws README's plots, in an environment of its own.
plot = @python3 -m venv .ansible/plot && .ansible/plot/bin/pip install --quiet --requirement benchmarks/requirements.txt && \
	.ansible/plot/bin/python benchmarks/plot.py

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

setup: ## Make .venv with Ansible and the test tools, and the link that makes emperor.flask.* resolve
	@scripts/setup.sh

demo: setup ## Create a throw-away host, put the tutorial's app on it, fetch the page (DEMO_PORT=8080)
	@scripts/demo.sh

demo-clean: ## Take the demo's host away
	docker rm --force --volumes emperor-demo

lint: setup ## Check the code: ansible-lint, yamllint, ruff, mypy, shellcheck, changelog; and the tarball: ansible-test sanity, galaxy-importer, antsibull-docs
	ansible-lint
	yamllint .
	ruff check
	@scripts/types.sh
	ruff format --check
	shellcheck scripts/*.sh roles/*/files/*.sh tests/images/*.sh tests/images/*/start-systemd tests/fixtures/*/*.sh benchmarks/*.sh .ci/run
	antsibull-changelog lint
	@scripts/published.sh

unit: setup ## Run the unit tests; every nginx that can be had tests what the templates render
	@scripts/test-hosts.sh debian-12 debian-13 debian-testing
	pytest tests/unit

old-python: setup ## Run the unit tests of what runs on hosts with an old Python (PYTHON=python3.9)
	@scripts/old-python.sh $(PYTHON)

mutants: setup ## Change the code of a room and tell which changes no unit test notices (ROOM=vassal, EVERY=20: every twentieth mutant)
	@scripts/mutants.sh $(or $(ROOM),vassal) $(or $(EVERY),20)

docs: setup ## Draw the documentation as a site, with every module and role
	@scripts/docs.sh

molecule: setup ## Run every Molecule scenario on Debian 12, 13 and testing, and a Debian that says it is Ubuntu
	@scripts/molecule.sh

molecule-ubuntu: setup ## Run the default scenario on Ubuntu 22.04, 24.04 and 26.04, where a container registry answers
	@scripts/molecule-ubuntu.sh

readme: setup ## Type README's commands in a fresh clone; takes the demo's host away
	pytest tests/readme

test: setup ## Run lint, unit, both molecule targets and readme; ends with the counts (FAST=1: lint, unit and the scenario ssh, in ten minutes)
	@FAST=$(FAST) scripts/test.sh

soak: setup ## Kill 20 controllers, release 50 times in a row under load, let 3000 streams go, take all there is beside a neighbour, send 1000 malformed requests, let apps come, change, break and go 100 times, and fifty at once; prints its seeds (EMPEROR_SEED repeats them)
	EMPEROR_KILLS=20 EMPEROR_ROW=50 PYTEST_ADDOPTS="-v -s -o faulthandler_timeout=0 -k 'killed or row'" molecule test -s releases
	EMPEROR_STREAMS=3000 PYTEST_ADDOPTS="-v -s -k have_gone" molecule test -s releases
	EMPEROR_STRICT=1 PYTEST_ADDOPTS="-v -s -k served_as_before" molecule test -s box
	EMPEROR_STEPS=100 EMPEROR_APPS=50 PYTEST_ADDOPTS="-v -s -o faulthandler_timeout=0 -k 'whatever_happens or can_go'" molecule test -s many_apps
	EMPEROR_MALFORMED=1000 PYTEST_ADDOPTS="-v -s -k malformed" molecule test -s front_door

benchmark: setup ## Measure runs beside the tutorial's commands and a play for nginx alone (FAST=1: only unchanged runs, once)
	@scripts/docker.sh
	$(if $(FAST),,python benchmarks/first_run.py)
	python benchmarks/unchanged_run.py $(if $(FAST),--fast)
	@$(if $(FAST),,python benchmarks/table.py)

benchmark-releases: setup ## Measure releases beside other ways to release, and what they cost; README's tables and its plot anew
	@scripts/docker.sh
	python benchmarks/releases.py
	python benchmarks/round_trips.py
	$(plot)

benchmark-apps: setup ## Measure one more app, releases of all, status and memory, with 50 apps beside 1 (FAST=1: 3 apps, once; no results are kept)
	@scripts/docker.sh
	python benchmarks/many_apps.py $(if $(FAST),--fast)

benchmark-fleet: setup ## Measure runs over 1, 2, 5 and 10 servers, and requests through a balancer (FAST=1: 1 and 2 servers, once; no results are kept)
	@scripts/docker.sh
	python benchmarks/fleet.py $(if $(FAST),--fast)

benchmark-requests: setup ## Measure requests beside granian and gunicorn; README's tables and its plot anew (FAST=1: one short turn, kept in .ansible/benchmarks)
	@scripts/docker.sh
	python benchmarks/request_path.py $(if $(FAST),--fast)
	$(plot) $(if $(FAST),--results .ansible/benchmarks)

benchmark-streams: setup ## Measure open streams beside gunicorn; README's table anew (FAST=1: 100 streams, one turn, kept in .ansible/benchmarks)
	@scripts/docker.sh
	python benchmarks/streams.py $(if $(FAST),--fast)

clean: demo-clean ## Take away the demo's host, .venv and everything else that was generated
	rm -rf .venv .ansible .pytest_cache .ruff_cache .hypothesis

.PHONY: help setup demo demo-clean lint unit old-python mutants docs molecule molecule-ubuntu readme test soak benchmark benchmark-releases benchmark-apps benchmark-fleet benchmark-requests benchmark-streams clean
