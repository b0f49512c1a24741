# Each target sets up what it needs from nothing but python3 (3.11 or later), make and gcc.
# What is missing is named, with the line that installs it.

PYTHON ?= python3
PORT ?= $(or $(RELU_LANDSCAPE_PORT),8000)
# make lock UPGRADE=--upgrade takes the newest versions; without it, pins stay where they can.
UPGRADE ?=
MODULE ?=
# Processes of make test: one for servers and browsers, which run alone, the others for arithmetic.
TESTERS ?= 2
OPTIONS ?=
# make atlas: largest width, random starts, and up to where saddles and proofs are made as well.
ATLAS_WIDTH ?= 16
ATLAS_STARTS ?= 2000
ATLAS_SMALL ?= 12

BIN := .venv/bin
export PYTHON

CLIENT := $(wildcard clients/python/pyproject.toml)
PROJECTS := pyproject.toml $(CLIENT)
# Compiled when the project is installed, so a change of these installs it again.
NATIVE := hatch_build.py $(wildcard service/relu_landscape/engine/lanes/*.[ch])
PACKAGES := service/relu_landscape api/relu_landscape_api cli/relu_landscape_cli \
	$(wildcard clients/python/src/relu_landscape_client)
# Our own client is installed from its folder, never from an index, so no lock holds it.
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url \
	--no-emit-package relu-landscape-client --custom-compile-command "make lock" $(UPGRADE)

.PHONY: help serve test lint check-types hooks lock audit sbom drawing guide atlas wheels benchmark benchmark-compare gpu-check validation mutants clean

help:
	@echo "make serve [PORT=9000]  start the service"
	@echo "make test               lint, types, and every test but the long suites"
	@echo "make lint               ruff, mypy and the rules of imports alone"
	@echo "make check-types        mypy alone"
	@echo "make hooks              run the quick part of lint before each commit"
	@echo "make validation         compare with the published tables, write docs/validation.md"
	@echo "make benchmark          measure, print tables, keep each run in benchmarks/runs"
	@echo "make gpu-check          whether a GPU here computes what it should, and how fast"
	@echo "make benchmark-compare A=OLD.json B=NEW.json   two such runs, as ratios"
	@echo "make mutants [MODULE=kernel]   small changes that no test notices; hours without MODULE"
	@echo "make wheels             build both distributions into dist/"
	@echo "make drawing            draw which room imports which, docs/images/imports.svg"
	@echo "make guide              build the documents as a site, which the service shows at /guide"
	@echo "make atlas [ATLAS_WIDTH=16]   compute the atlas of widths; goes on after a kill"
	@echo "make audit              whether a locked package has a known hole; asks the package index"
	@echo "make sbom               what serves is made of, as CycloneDX: build/sbom.json"
	@echo "make lock               renew requirements/*.lock [UPGRADE=--upgrade]"
	@echo "make clean              remove everything that was built here"

# The stamps make a second start a matter of starting, not of asking the package index again.
.venv/.serve: requirements/serve.lock requirements/installer.lock requirements/install.sh $(PROJECTS) \
		$(NATIVE)
	@sh requirements/install.sh serve

.venv/.dev: requirements/dev.lock requirements/installer.lock requirements/install.sh $(PROJECTS) \
		$(NATIVE)
	@sh requirements/install.sh dev

.venv/.mutation: .venv/.dev requirements/mutation.lock
	@sh requirements/install.sh mutation

serve: .venv/.serve
	@exec $(BIN)/relu-landscape serve --port $(PORT)

lint: check-types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

check-types: .venv/.dev
	$(BIN)/mypy $(PACKAGES) hatch_build.py docs/conf.py tests tools/guide $(wildcard benchmarks/*.py tools/*.py)

hooks: .venv/.dev
	$(BIN)/pre-commit install

test: lint guide
	@mkdir -p build
	$(BIN)/python -m pytest -n $(TESTERS) --dist loadscope --junitxml=build/tests.xml \
		-p tests.house.branches --branches build/coverage.json

validation: .venv/.dev
	@mkdir -p build
	@# A disagreement is written into the table as well, and only then fails.
	RELU_LANDSCAPE_ACCEPTANCE=1 $(BIN)/python -m pytest -m acceptance --junitxml=build/validation.xml; \
		outcome=$$?; \
		$(BIN)/python -m tests.house.validation_table build/validation.xml docs/validation.md \
		&& exit $$outcome

benchmark: .venv/.dev
	@set -e; for script in certificates dynamics families fidelity kernels phases points \
		serving storage widening page; do \
		echo "benchmarks/$$script.py"; $(BIN)/python -m benchmarks.$$script; done

gpu-check:
	@PYTHONDONTWRITEBYTECODE=1 $$(test -x $(BIN)/python && echo $(BIN)/python || echo python3) -m benchmarks.gpu $(OPTIONS)

benchmark-compare: .venv/.dev
	@$(BIN)/python -m benchmarks.compare $(A) $(B)

# OPTIONS="--every 5" tries a fifth of them, OPTIONS=--survivors those again that passed before.
mutants: .venv/.mutation
	@$(BIN)/python -m tools.mutants $(MODULE) $(OPTIONS)

drawing: .venv/.dev
	@command -v dot >/dev/null || { echo "dot was not found: apt-get install graphviz" >&2; exit 1; }
	$(BIN)/python tools/draw_imports.py | dot -Tsvg -o docs/images/imports.svg

# Warnings are errors: a link that leads nowhere, a page that no list names, a faulty docstring.
guide: .venv/.dev
	$(BIN)/python -m tools.guide

# Each landscape is kept in build/atlas; only a run that has all of them writes the file.
atlas: .venv/.dev
	@$(BIN)/python tools/make_atlas.py $(ATLAS_WIDTH) --starts $(ATLAS_STARTS) --small $(ATLAS_SMALL)

# Without isolation: what builds them came from the lock, so nothing is fetched.
wheels: .venv/.dev guide
	@rm -rf dist
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist $(dir $(PROJECTS))

# The largest first: what serves has the versions that the tests ran with.
lock: .venv/.dev
	$(LOCK) $(PROJECTS) --group dev $(CLIENT:%=--extra all) -o requirements/dev.lock
	$(LOCK) $(PROJECTS) --group build -c requirements/dev.lock -o requirements/serve.lock
	$(LOCK) $(PROJECTS) --group build --extra gpu -c requirements/serve.lock -o requirements/gpu.lock
	$(LOCK) --group mutation -c requirements/dev.lock -o requirements/mutation.lock
	$(LOCK) --group installer -c requirements/dev.lock -o requirements/installer.lock

audit: .venv/.serve
	@sh requirements/audit.sh

# From the lock, with its hashes: the same file for the same lock.
sbom: .venv/.serve
	@mkdir -p build
	$(BIN)/uv tool run --from 'cyclonedx-bom>=7.5,<8' cyclonedx-py requirements requirements/serve.lock \
		--pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.json

clean:
	rm -rf .venv build dist api/relu_landscape_api/guide .mypy_cache .pytest_cache .ruff_cache .hypothesis
