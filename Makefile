# Needs python3 >= 3.11 and nothing else: the first command makes .venv. make demo PYTHON=python3.12 picks another.
# make test EXTRAS=dev,browser tests the app in Chromium or Chrome too, make test TESTS=slow what takes long;
# WORKERS=3 in three processes, else in one for each core, 4 at most.
PYTHON ?= python3
BIN := .venv/bin
EXTRAS ?= dev
TESTS ?= not slow
WORKERS ?= auto
INSTALLED := .venv/installed-$(EXTRAS)
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCKS := requirements/dev.txt $(if $(findstring browser,$(EXTRAS)),requirements/browser.txt)
export HF_HUB_OFFLINE ?= 1

.PHONY: demo test lint bench docs lock clean

demo: $(INSTALLED)  ## paint a world, train on it, show what was learned
	$(BIN)/wordsight demo

test: $(INSTALLED)  ## the tests, but for those that take long
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile -m "$(TESTS)"

lint: $(INSTALLED)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(INSTALLED)  ## speed beside peers and the floor: one table, and bench.json; the extra `bench` has the peers
	$(BIN)/python benchmarks/bench.py --json bench.json

docs: $(INSTALLED)  ## the documentation as a site, with the reference of the Python API, in site/
	$(PIP) install --quiet -c constraints.txt "pdoc==16.0.0"
	$(BIN)/python tools/reference.py site

LOCK := .venv-lock/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate \
  --no-emit-index-url --no-emit-find-links -c constraints.txt
lock:  ## the hashes of the versions in constraints.txt
	$(PYTHON) -m venv .venv-lock && .venv-lock/bin/pip install --quiet pip-tools
	$(LOCK) --extra dev --build-deps-for editable --unsafe-package torch -o .venv-lock/dev.txt pyproject.toml
	printf 'playwright\naxe-playwright-python\n' | $(LOCK) -o .venv-lock/browser.txt -
	for one in dev browser; do (head -2 requirements/dev.txt; sed -e '/^# The following/,$$d' -e '/^$$/d' .venv-lock/$$one.txt) > .venv-lock/new.txt \
	  && mv .venv-lock/new.txt requirements/$$one.txt; done

clean:  ## forget the environment
	rm -rf .venv

# Files whose hashes are known first; then torch, in the build that fits the machine, and what else a system needs.
$(INSTALLED): pyproject.toml constraints.txt $(LOCKS)
	@$(PYTHON) -c 'import sys; sys.exit("wordsight needs Python 3.11 or newer; this is " + sys.version.split()[0] + " (make PYTHON=...)" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install --quiet --require-hashes --no-deps $(addprefix -r ,$(LOCKS))
	$(PIP) install --quiet --no-build-isolation -c constraints.txt -e ".[$(EXTRAS)]"
	touch $@
