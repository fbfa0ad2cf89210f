# Everything that a newcomer, a contributor and CI run. Needs git, make and Python 3.11 or newer with venv.

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
RUN := $(VENV)/bin/python
# Journeys mostly wait for each other: four processes fill two cores.
WORKERS ?= 4

.DEFAULT_GOAL := help
.PHONY: help demo test coverage check lock clean

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(STAMP) ## Tell the whole story once: from a label to a proven pull request (KEEP=1, PORT=n, CLAUDE=real)
	@$(RUN) -m demo $(if $(filter command%,$(origin PORT)),--port $(PORT))

test: $(STAMP) ## Run the whole test suite
	$(RUN) -m pytest -q -n $(WORKERS) --dist load --maxschedchunk 1 $(TESTS)

coverage: $(STAMP) ## Run the whole test suite and say which lines and branches it leaves out
	$(RUN) -m pytest -q -n $(WORKERS) --dist load --maxschedchunk 1 --cov --cov-report=term-missing:skip-covered $(TESTS)

check: $(STAMP) ## Lint, check the formatting and the types
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

lock: $(STAMP) ## Write requirements.lock anew from pyproject.toml
	$(VENV)/bin/uv pip compile --quiet --generate-hashes --no-annotate --no-header --universal \
		--python-version 3.11 --group dev pyproject.toml -o requirements.lock

clean: ## Remove what make and the tools have made; the bot's data stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov

# One stamp for the whole environment: it is brought up to date when the lock file changes.
$(STAMP): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "make: Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' \
		|| { echo "make: $(PYTHON) has no venv (on Debian and Ubuntu: apt install python3-venv)"; exit 1; }
	@echo "Installing what requirements.lock names into $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $(STAMP)
