# Two commands for a newcomer: `make demo` and `make test`. Nothing needs to be activated.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

ARGS ?=
PYTHON ?=
STAMP := .venv/.grokwatch-stamp
RUN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test stack-test fuzz chaos check bench bench-signals bench-sweep bench-service models validation up down docs dashboards golden clean secrets mlflow-pictures preview

help:  ## show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1|\2/p' Makefile | column -t -s '|' 2>/dev/null || sed -nE 's/^([a-z-]+):.*## (.*)/  make \1: \2/p' Makefile

$(STAMP): requirements.lock requirements-oracles.lock pyproject.toml
	@for candidate in "$(PYTHON)" python3.11 python3.12 python3.13 python3 python; do
	  if [ -n "$$candidate" ] && "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
	    python=$$candidate; break
	  fi
	done
	if [ -z "$${python:-}" ]; then
	  echo "Expected Python 3.11 or newer, found none. Try: apt-get install python3 python3-venv, or make PYTHON=/path/to/python3.11" >&2
	  exit 1
	fi
	if ! $(RUN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
	  "$$python" -m venv --clear .venv 2>/dev/null || {
	    echo "Expected the module venv of $$python to work. Try: apt-get install python3-venv" >&2
	    rm -rf .venv; exit 1; }
	fi
	echo "Setting up .venv with $$(grep -c '==' requirements.lock) locked packages (once, one or two minutes) ..."
	PYTHONUNBUFFERED=1 $(RUN)/python -m pip install -r requirements.lock 2>.venv/pip-errors.txt \
	  | awk '/^(Collecting|Processing|Requirement already)/ { if (++n % 20 == 0) { print "  " n " found"; fflush() } } /^Installing/ { print "  installing"; fflush() }' \
	  || { cat .venv/pip-errors.txt >&2; exit 1; }
	$(RUN)/python -m pip install --quiet --no-deps -r requirements-oracles.lock
	$(RUN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

demo: $(STAMP)  ## train a small network, watch it, say in advance that it will generalise
	@$(RUN)/grokwatch demo $(ARGS)

test: $(STAMP)  ## run the tests; make test ARGS="-k neutrality"
	@$(RUN)/pytest $(ARGS)

stack-test: $(STAMP)  ## start the real servers of the stack here, train a run under them, check every panel
	@$(RUN)/pytest -q tests/integration/test_stack.py $(ARGS)

fuzz: $(STAMP)  ## run the property tests on many fresh examples; make fuzz ARGS=tests/conformance
	@$(RUN)/pytest -m hypothesis --hypothesis-profile=fuzz $(ARGS)

chaos: $(STAMP)  ## kill trainers and services, break the network, at full counts (hours)
	@GROKWATCH_CHAOS=full GROKWATCH_CRASH_KILLS=1000 $(RUN)/pytest -s -k "crash or isolation or service or webhook or faults" $(ARGS)

check: $(STAMP)  ## format, lint, types, layers, generated pages
	@failed=0
	step() { echo "== $$*"; "$(RUN)/$$@" || failed=1; }
	step ruff format --check .
	step ruff check .
	step mypy -p grokwatch.monitor -p grokwatch.callbacks -p grokwatch.experiments -p tests -p docs -p dashboards
	step lint-imports --no-cache
	step python -m cogapp --check --check-fail-msg "make docs" docs/*.md
	step python -m dashboards.grafana.build --check
	exit $$failed

bench: $(STAMP)  ## measure overhead and signals, and put the warning rule on trial (over an hour; see docs/)
	@failed=0
	$(RUN)/grokwatch overhead $(ARGS) || failed=1
	$(RUN)/grokwatch bench $(ARGS) || failed=1
	$(RUN)/grokwatch trial $(ARGS) || failed=1
	exit $$failed

bench-signals: $(STAMP)  ## measure signals: cost, accuracy, presets, memory; others beside them
	@$(RUN)/grokwatch bench $(ARGS)

bench-sweep: $(STAMP)  ## measure sweeps: our engine beside a loop, Lightning and JAX
	@$(RUN)/grokwatch bench sweep $(ARGS)

bench-service: $(STAMP)  ## measure the service: taking, judging, telling, starting; loopback only
	@$(RUN)/grokwatch bench service $(ARGS)

models: $(STAMP)  ## fit the predictor again, on the corpus's train and calibration runs
	@$(RUN)/grokwatch fit --to monitor/predictors/models $(ARGS)

validation: $(STAMP)  ## judge predictors on the corpus's test runs; writes docs/validation.md
	@$(RUN)/grokwatch validate --page docs/validation.md $(ARGS)

secrets:  ## make the secrets of the containers, and .env, where they are missing
	@umask 077
	folder=.grokwatch/secrets
	mkdir -p "$$folder"
	chmod 700 "$$folder"
	for name in {postgres,mlflow_database,grokwatch_database,grafana_admin}_password grokwatch_token grafana_secret_key; do
	  [ -s "$$folder/$$name" ] || head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$$folder/$$name"
	done
	[ -s "$$folder/grokwatch_store" ] ||
	  printf 'postgresql://grokwatch:%s@postgres:5432/grokwatch' "$$(<"$$folder/grokwatch_database_password")" >"$$folder/grokwatch_store"
	chmod 444 "$$folder"/*  # containers run under other users; nobody else gets into the folder
	touch .env
	chmod 600 .env
	[ -z "$$(tail -c 1 .env)" ] || echo >>.env
	grep -E '^[A-Z_]+=' .env.example | while IFS= read -r line; do
	  grep -q "^$${line%%=*}=" .env || printf '%s\n' "$$line" >>.env
	done

mlflow-pictures: $(STAMP)  ## take the pictures of MLflow in docs/ again (needs chromium)
	@$(RUN)/python -m tests.mlflow_pictures $(ARGS)

up: secrets  ## start the stack in containers: service, MLflow, Prometheus, Grafana (docs/stack.md)
	@mkdir -p .grokwatch/prometheus
	docker compose up --detach --build --wait
	docker compose ps --format 'table {{.Service}}\t{{.Ports}}'

down:  ## stop them; their data stays
	docker compose down

docs: $(STAMP)  ## write the generated pages again
	@$(RUN)/python -m cogapp -r docs/*.md

dashboards: $(STAMP)  ## write Grafana's dashboards again, from dashboards/grafana/*.py
	@$(RUN)/python -m dashboards.grafana.build

preview: $(STAMP)  ## draw the dashboards as Grafana would, with live values; see docs/preview.md
	@$(RUN)/python -m dashboards.preview $(ARGS)

golden: $(STAMP)  ## write the golden files again; say why in the commit
	@$(RUN)/pytest tests --golden -k golden -p no:randomly $(ARGS)

clean:  ## remove what set-up and tests made; runs and trackers stay
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
