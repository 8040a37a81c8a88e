# make demo    create the environment, solve a Helmholtz problem, write HDF5, VTK and pictures
# make test    create the environment, run all tests
# make check   style and types
# make bench   speed of kernels and solver on this machine
# make gpu-check PYTHON=python3   right numbers, and how fast, with what is installed there (see docs/performance/README.md)
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= out/demo
PYTHON ?= python3

.PHONY: demo test check bench gpu-check clean

demo: $(VENV)/.ready
	$(BIN)/hermite-pinn solve helmholtz2d --set a=10 --out $(OUT)

test: $(VENV)/.ready
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	rm -rf build/types && mkdir -p build/types
	cp -r hermite_pinn build/types/ && cp -r cuda geometry problems validation build/types/hermite_pinn/
	cd build/types && $(abspath $(BIN))/mypy --config-file $(CURDIR)/pyproject.toml -p hermite_pinn

bench: $(VENV)/.ready
	$(BIN)/hermite-pinn bench

gpu-check:
	rm -rf build/tree && mkdir -p build/tree
	cp -r hermite_pinn build/tree/ && cp -r cuda geometry problems validation build/tree/hermite_pinn/
	PYTHONPATH=build/tree $(PYTHON) -P -m hermite_pinn.validation.performance.gpu_check --out docs/performance $(OPTIONS)

$(VENV)/.ready: pyproject.toml constraints.txt .ci/environment
	.ci/environment $(VENV)

clean:
	rm -rf build out *.egg-info .pytest_cache .mypy_cache .ruff_cache
