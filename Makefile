# `make` lists what there is. Two commands are all the set-up a fresh machine needs: `make run` and `make test`.

SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
BIOME := tools/biome/node_modules/.bin/biome
BIOME_READY := tools/biome/node_modules/.installed
OPENAPI_READY := tools/openapi/node_modules/.installed
CLIENTS_READY := $(patsubst tests/conformance/%.txt,tests/conformance/.venvs/%/.installed,$(wildcard tests/conformance/*.txt)) tests/conformance/node_modules/.installed

RUN := requirements.txt requirements-run.txt requirements-sandbox.txt
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

.DEFAULT_GOAL := help
.PHONY: help run dev check t test conformance mutants stories test-sandbox format hooks lock clients font release lighthouse bench bench-quick chaos screenshots clean reset

# The sentence after `##` is what `make help` prints, so a target without one stays hidden.
help: ## List the targets.
	@echo "Usage: make TARGET"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/.installed ## Run the whole product on http://localhost:8000 until Ctrl-C; PORT=8080 moves it.
	@exec $(BIN)/python manage.py run

dev: .venv/.installed-dev ## Run it with DEBUG on: code, templates and styles take effect as you save them; logs appear here.
	@DEBUG=$${DEBUG-1} exec $(BIN)/python manage.py run --reload

test: .venv/.installed-dev $(BIOME_READY) $(OPENAPI_READY) $(CLIENTS_READY) ## Run every check there is, as CI does.
	@exec $(BIN)/python -m tests.run

check: .venv/.installed-dev $(BIOME_READY) ## Check what a change since main touches, before each commit; one room of it: ROOM=billing.
	@exec $(BIN)/python -m tests.check $(ROOM)

t: .venv/.installed-dev ## Run tests at once, with any argument of pytest's: make t T="tests/billing --lf -x"; ON=postgres.
	@ON=$(ON) exec $(BIN)/python -m tests.one $(T)

conformance: .venv/.installed-dev $(CLIENTS_READY) ## Drive real clients against a running installation, print what each call gives, and keep it for /docs/conformance/.
	@exec $(BIN)/python -m tests.conformance

mutants: .venv/.installed-dev ## Plant faults one by one and see that the tests notice; FAULTS="the-wallet-is-not-locked" picks some.
	@exec $(BIN)/python -m tests.mutants $(FAULTS)

chaos: .venv/.installed-dev ## Kill, stop and cut off whole installations under load, and audit what is left; SEED=17 SECONDS=60 ON=sqlite.
	@exec $(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(ON),--on $(ON))

stories: .venv/.installed-dev ## Play random stories of customers, operators and Stripe against what was promised, and make one that fails short; SEED=17 COUNT=1 repeats one.
	@exec $(BIN)/python -m tests.stories $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--stories $(COUNT))

test-sandbox: .venv/.installed-dev ## Run the sandbox's own tests, without Django: what a change of the sandbox alone needs.
	@exec $(BIN)/python -m pytest -c tests/sandbox/pytest.ini --confcutdir tests/sandbox tests/sandbox

format: .venv/.installed-dev $(BIOME_READY) ## Format the code, and fix what the linters can fix.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIOME) check --write

hooks: .venv/.installed-dev $(BIOME_READY) ## Check format and lint at each commit (installs Git hooks).
	@$(BIN)/pre-commit install

lock: .venv/.installed-dev ## Pin what requirements*.in newly ask for; UPGRADE=1 renews all pins, PACKAGE=name one.
	@$(BIN)/python -m tools.lock $(if $(UPGRADE),--upgrade) $(if $(PACKAGE),--package $(PACKAGE)) $(if $(COOLDOWN),--cooldown "$(COOLDOWN)")

clients: .venv/.installed-dev $(OPENAPI_READY) ## Build the client packages for Python and TypeScript into dist/.
	@$(BIN)/python -m tools.clients

font: .venv/.installed-dev ## Cut the site's type face out of its package again, after a new pin of it.
	@$(BIN)/python -m tools.font

release: .venv/.installed-dev ## Date the changelog, set the version, commit and tag: make release VERSION=1.2.3
	@$(BIN)/python -m tools.release $(VERSION)

lighthouse: .venv/.installed-dev benchmarks/lighthouse/node_modules/.installed ## Print Lighthouse's scores of twelve pages on a production run; needs Node 18.20 or newer.
	@$(BIN)/python -m tests.machine chromium node
	@exec $(BIN)/python -m benchmarks.pages $(PAGES)

bench: .venv/.installed-dev benchmarks/litellm/.venv/.installed benchmarks/portkey/node_modules/.installed ## Measure load beside LiteLLM and Portkey into docs/performance.md, in about a quarter of an hour; needs PostgreSQL and Redis.
	@$(BIN)/python -m tests.machine node psql redis-cli
	@exec $(BIN)/python -m benchmarks.load $(BENCH)

bench-quick: .venv/.installed-dev benchmarks/litellm/.venv/.installed ## Measure admission and sync calls beside LiteLLM, in under two minutes.
	@$(BIN)/python -m tests.machine psql redis-cli
	@exec $(BIN)/python -m benchmarks.load quick $(BENCH)

screenshots: .venv/.installed-dev ## Capture every page on a desktop and a phone, light and dark, in docs/images/pages/; PAGES="pricing image" picks some.
	@$(BIN)/python -m tests.machine chromium
	@exec $(BIN)/python -m tests.browser.screenshots $(PAGES)

clean: ## Remove what was installed and cached; your data in var/ stays.
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis tools/biome/node_modules tools/openapi/node_modules benchmarks/lighthouse/node_modules benchmarks/portkey/node_modules benchmarks/litellm/.venv tests/conformance/.venvs tests/conformance/node_modules

reset: ## Delete the database, images and mails in var/, for a fresh start.
	rm -rf var

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "reveweb needs Python 3.11 or newer; $(PYTHON) is older. Name another: make PYTHON=python3.12 …"; exit 1; }
	@rm -rf .venv # what is left of one whose Python has gone
	@$(PYTHON) -m venv .venv || { echo "python3 has no venv module. On Debian: apt install python3-venv"; rm -rf .venv; exit 1; }

.venv/.installed: $(RUN) | .venv/bin/python
	@echo "Installing reveweb's dependencies (once) …"
	@$(INSTALL) $(RUN:%=-r %)
	@touch $@

.venv/.installed-dev: requirements-dev.txt .venv/.installed
	@echo "Installing what the checks need (once) …"
	@$(INSTALL) -r requirements-dev.txt
	@touch $@

# A gateway to compare with; what it is made of is not pinned, and nothing of it comes near reveweb's own .venv.
benchmarks/litellm/.venv/.installed: benchmarks/litellm/requirements.txt | .venv/bin/python
	@echo "Installing LiteLLM (once) …"
	@$(BIN)/python -m venv --clear benchmarks/litellm/.venv
	@benchmarks/litellm/.venv/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/litellm/requirements.txt
	@touch $@

# The clients of the conformance grid, each in an environment of its own: their pins would not go together.
tests/conformance/.venvs/%/.installed: tests/conformance/%.txt | .venv/.installed-dev
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	@$(BIN)/uv pip install --quiet --python $(@D)/bin/python --require-hashes -r $<
	@touch $@

# What comes from npm, for development only: Biome, what reads the API's document, Lighthouse, gateways and clients.
%/node_modules/.installed: %/package-lock.json | .venv/.installed-dev
	@$(BIN)/python -m tests.machine node npm
	@cd $* && npm ci --silent
	@touch $@
