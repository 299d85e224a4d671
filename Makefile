# Needs python3 >= 3.11 and nothing else: the first command makes .venv. make demo PYTHON=python3.12 picks another.
# make test EXTRAS=dev,browser tests the app in Chromium or Chrome too.
PYTHON ?= python3
BIN := .venv/bin
EXTRAS ?= dev
INSTALLED := .venv/installed-$(EXTRAS)
export HF_HUB_OFFLINE ?= 1

.PHONY: demo test lint bench clean

demo: $(INSTALLED)  ## paint a world, train on it, show what was learned
	$(BIN)/wordsight demo

test: $(INSTALLED)  ## the whole test suite
	$(BIN)/python -m pytest

lint: $(INSTALLED)  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(INSTALLED)  ## speed, as ratios to the plain way
	for file in features.py score.py decode.py "search.py --scan 10000"; do echo "== $$file"; $(BIN)/python benchmarks/$$file || exit 1; done

clean:  ## forget the environment
	rm -rf .venv

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("wordsight needs Python 3.11 or newer; this is " + sys.version.split()[0] + " (make PYTHON=...)" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	touch $@
