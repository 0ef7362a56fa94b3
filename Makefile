# aami-hpc: every job a developer has is one target. `make` alone lists them.

BOOTSTRAP := aami_hpc/bootstrap.py
PY        := .venv/bin/python
UNIT      := not lab and not package and not soak
FAST      := $(UNIT) and not slow
JOBS      := 3
# On a machine like CI's nothing is skipped: what the lab can't do there is a failure.
REQUIRED  := $(if $(CI),1,$(AAMI_LAB_REQUIRED))

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

python3:  # a fresh Debian or Ubuntu may come without Python
	@command -v python3 >/dev/null || { \
	  echo "installing Debian packages: python3 python3-venv"; \
	  apt-get -q update >/dev/null && apt-get -y -q install --no-install-recommends python3 python3-venv >/dev/null; } || { \
	  echo "Python 3 is missing and could not be installed. As root: apt-get install python3 python3-venv"; exit 1; }

up: python3  ## try the product on this machine alone: install, look around, say what is next
	@python3 -I $(BOOTSTRAP) up

test: python3  ## everything: install what is missing, lint, all tests with real Slurm and real nodes
	@python3 -I $(BOOTSTRAP) packages
	@python3 -I $(BOOTSTRAP) venvs
	@$(MAKE) --no-print-directory lint
	@for python in .venv-3.*/bin/python; do [ ! -x $$python ] || { \
	  echo "--- unit tests on $$($$python --version)"; $$python -m pytest -q -n $(JOBS) -m "$(UNIT)" || exit 1; }; done
	@echo "--- unit tests on $$($(PY) --version)"
	@$(PY) -m pytest -q -n $(JOBS) -m "$(UNIT)"
	@echo "--- the package and the lab"
	@AAMI_LAB_REQUIRED=$(REQUIRED) $(PY) -m pytest -q -m "(lab or package) and not soak" --durations=15

test-fast: venv  ## unit and contract tests: no root, under a minute
	$(PY) -m pytest -q -n $(JOBS) -m "$(FAST)"

lint: venv  ## ruff, mypy, import layers, Python 3.6 on the node's side
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	.venv/bin/vermin --quiet --target=3.6- --violations --no-tips slurm/aami_slurm xid/aami_xid

soak: venv  ## fault matrices on every release we can run; writes docs/soak.md
	$(PY) -m tests.soak

bench: venv  ## speed as ratios against a bare baseline or a peer; writes docs/benchmarks.md
	$(PY) -m tests.bench

lab: venv  ## a real Slurm cluster with fake GPUs, for people: make lab ARGS='up --nodes 4'
	$(PY) -m tests.lab $(ARGS)

docs: venv  ## write the generated pages anew
	$(PY) -m tests.docs

pyz: venv  ## build dist/aami-xid.pyz: explain Xids on any node with a Python, nothing to install
	@$(PY) -m aami_hpc.xid.pyz dist/aami-xid.pyz

venv: python3
	@python3 -I $(BOOTSTRAP) venv

clean:  ## remove what make made in this folder
	rm -rf .venv .venv-* .up build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

.PHONY: help python3 up test test-fast lint soak bench lab docs pyz venv clean
