# Everything that a clone needs is made by these targets; nothing is installed by hand.
PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
COMPILED := $(VENV)/compiled
# Where it could not be compiled it is tried again, and says why.
COMPILE := ls src/keiko_perf/monitoring/middleware.*.so >/dev/null 2>&1 || $(BIN)/python scripts/compiled.py

.PHONY: help install demo test check bench faults screenshots clean

help: ## say what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(STAMP): pyproject.toml
	@scripts/python-version $(PYTHON)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=24'
	$(BIN)/pip install --quiet --editable '.[all,dev]'
	@$(COMPILE)
	@touch $@ $(COMPILED)

# The installation has done so; it is done again when the source has changed.
$(COMPILED): src/keiko_perf/monitoring/middleware.py scripts/compiled.py | $(STAMP)
	@$(BIN)/python scripts/compiled.py
	@touch $@

install: $(STAMP) $(COMPILED) ## the virtual environment at .venv, with the package and the developers' tools

demo: $(STAMP) $(COMPILED) ## from a slow service to a proven fix, on a PostgreSQL of its own
	@scripts/system-packages postgresql
	@exec $(BIN)/keiko-perf demo $(ARGS)

test: $(STAMP) $(COMPILED) ## the whole test suite
	@scripts/system-packages postgresql chromium nginx openssl pgbouncer prometheus prometheus-alertmanager redis-server gcc python3-dev
	@$(COMPILE)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

check: $(STAMP) ## linters, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(STAMP) $(COMPILED) ## our speed and accuracy beside the peers'
	@scripts/system-packages nginx wrk hey chromium gcc python3-dev
	@$(COMPILE)
	$(BIN)/python benchmarks/histogram.py
	$(BIN)/python benchmarks/middleware.py
	$(BIN)/python benchmarks/attribution.py
	$(BIN)/python benchmarks/statements.py
	$(BIN)/python benchmarks/watchdog.py
	$(BIN)/python benchmarks/store.py --days 2
	$(BIN)/python benchmarks/chaos.py --seconds 60
	$(BIN)/python benchmarks/loadgen.py --rounds 3
	$(BIN)/python benchmarks/tuning.py
	$(BIN)/python benchmarks/compare.py
	$(BIN)/python benchmarks/compare_runs.py --times 50
	$(BIN)/python benchmarks/capacity.py
	$(BIN)/python benchmarks/dashboard.py
	$(BIN)/python benchmarks/plans.py

faults: $(STAMP) ## does the doctor name what is wrong? Planted faults, alone and in pairs
	@scripts/system-packages postgresql
	@exec $(BIN)/python benchmarks/faults.py $(ARGS)

screenshots: $(STAMP) ## the dashboard in six states, as images in screenshots/
	@scripts/system-packages chromium
	$(BIN)/python scripts/dashboard-screenshots $(or $(ARGS),screenshots)

clean: ## remove what was made
	rm -f src/keiko_perf/monitoring/*.so
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
