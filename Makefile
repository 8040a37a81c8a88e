VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= out/demo
PYTHON ?= python3
# Many tests start Python, which reads the package's bytecode faster than its sources.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadgroup
# The least share of lines, in percent, that the fast tests reach.
COVERAGE ?= 95

# Which tests `make coverage` runs: fast or all.
TESTS ?= fast

.DEFAULT_GOAL := help
.PHONY: help demo dist release-check test test-slow test-all check style types imports coverage docs look links bench torture gpu-check clean

help:  ## this text
	@echo "make TARGET; each makes its own environment in $(VENV)"
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-15s %s\n", $$1, $$2 }'

# The demonstration needs less than the tests; an environment for the tests serves, too.
demo: $(if $(wildcard $(VENV)/.ready),$(VENV)/.ready,$(VENV)/.ready-demo)  ## an equation, a flow, an inverse problem and a surface in a minute; pictures in OUT=out/demo
	$(BIN)/hermite-pinn demo --out $(OUT) $(OPTIONS)

test: $(VENV)/.ready  ## the tests but those marked slow
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/.ready  ## the tests marked slow
	$(PYTEST) -m slow

test-all: $(VENV)/.ready  ## all tests
	$(PYTEST)

check: style types imports coverage  ## all of style, types, imports and coverage

style: $(VENV)/.ready  ## ruff and typos
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/typos

types: build/tree  ## mypy --strict
	cd build/tree && $(abspath $(BIN))/mypy --config-file $(CURDIR)/pyproject.toml -p hermite_pinn

imports: build/tree  ## the contract of .importlinter: who may import whom
	cd build/tree && PYTHONPATH=. $(abspath $(BIN))/lint-imports --no-cache $(CURDIR)/.importlinter

coverage: $(VENV)/.ready  ## lines the tests reach (TESTS=fast, or all); fails below COVERAGE percent
	$(PYTEST) $(if $(filter all,$(TESTS)),,-m "not slow") --cov --cov-report=term:skip-covered --cov-fail-under=$(COVERAGE)

docs: $(VENV)/.ready-docs  ## the site, in build/site: warnings are errors, tutorials are executed once
	$(BIN)/python -m sphinx -W --keep-going -b html docs build/site

look: docs  ## pictures of every page on a phone and a desktop, in build/look, and what is wrong with them (needs Chromium)
	$(BIN)/python -m pip install --quiet playwright
	$(BIN)/python .ci/look build/site build/look

links: docs  ## ask for every address outside that the site names (network); the answers are in build/links/output.txt
	$(BIN)/python -m sphinx -b linkcheck -d build/site/.doctrees docs build/links

bench: $(VENV)/.ready  ## speed of kernels and solver on this machine
	$(BIN)/hermite-pinn bench

torture: $(VENV)/.ready  ## attack files, runs, arguments, surroundings and statuses; figures to docs/reliability.md (OPTIONS=--quick)
	OMP_NUM_THREADS=1 $(BIN)/python -m hermite_pinn.validation.torture --out docs/reliability.md $(OPTIONS)

gpu-check:  ## right numbers, and how fast, with what PYTHON=python3 has installed (docs/performance/README.md)
	$(assemble)
	PYTHONPATH=build/tree $(PYTHON) -P -m hermite_pinn.validation.performance.gpu_check --out docs/performance $(OPTIONS)

# The package in one folder, as it is installed.
define assemble
rm -rf build/tree && mkdir -p build/tree
cp -r hermite_pinn build/tree/ && cp -r cuda geometry problems validation build/tree/hermite_pinn/
endef

.PHONY: build/tree
build/tree: $(VENV)/.ready
	$(assemble)

ENVIRONMENT := pyproject.toml constraints.txt .ci/environment

$(VENV)/.ready: $(ENVIRONMENT)
	.ci/environment $(VENV) test
	touch $@

$(VENV)/.ready-demo: $(ENVIRONMENT)
	.ci/environment $(VENV) mesh
	touch $@

$(VENV)/.ready-docs: $(VENV)/.ready
	.ci/environment $(VENV) test,docs
	touch $@

dist: $(VENV)/.ready  ## the source archive and the wheel made from it, in dist
	rm -rf dist
	$(BIN)/python -m build

release-check: dist  ## install the wheel in a fresh environment and use it from another folder
	PYTHON=$(abspath $(BIN))/python .ci/release-check

clean:  ## what was built, not the environment
	rm -rf build dist out *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
