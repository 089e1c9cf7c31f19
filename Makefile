# Two commands are all the set-up a fresh machine needs: `make run` and `make test`.

SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lighthouse screenshots lock format clean

run: .venv/.installed
	@exec $(BIN)/python manage.py run

test: .venv/.installed-dev
	@exec $(BIN)/python -m tests.run

# Lighthouse's scores of six pages on a production run; needs Node 18.20 or newer beside what `make test` installs.
lighthouse: .venv/.installed-dev benchmarks/lighthouse/node_modules/.installed
	@$(BIN)/python -m tests.machine chromium node
	@exec $(BIN)/python -m benchmarks.pages $(PAGES)

# Every page on a desktop and a phone, light and dark, into docs/images/.
screenshots: .venv/.installed-dev
	@$(BIN)/python -m tests.machine chromium
	@exec $(BIN)/python -m tests.browser.screenshots $(PAGES)

# Pins with hashes, for every platform, without the address of an index.
lock: .venv/.installed-dev
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements-dev.in -o requirements-dev.txt

format: .venv/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv var .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "reveweb needs Python 3.11 or newer; $(PYTHON) is older. Name another: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "python3 has no venv module. On Debian: apt install python3-venv"; rm -rf .venv; exit 1; }

.venv/.installed: requirements.txt | .venv/bin/python
	@echo "Installing reveweb's dependencies (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/.installed-dev: requirements-dev.txt .venv/.installed
	@echo "Installing what the checks need (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

benchmarks/lighthouse/node_modules/.installed: benchmarks/lighthouse/package-lock.json .venv/.installed-dev
	@$(BIN)/python -m tests.machine node npm
	@cd benchmarks/lighthouse && npm ci --silent
	@touch $@
