# make demo, make test: a fresh clone needs only make and Python 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
# A process for each core, whole files in each, so that the fixtures of a file are made once. Files come in the order of
# their names: ordered by number of tests, the few that train would come last, and one process would wait for the other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-all lint format bench pictures clean

demo: $(READY)
	$(BIN)/convblocks compare --epochs 10 --out runs/demo

test: $(READY) lint
	$(PYTEST)

test-all: $(READY) lint
	$(PYTEST) -m ""

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	for each in benchmarks/*.py; do $(BIN)/python $$each; done
	$(BIN)/python benchmarks/sweep.py

pictures: $(READY)
	$(BIN)/convblocks draw simple --depth 3 --out docs/simple.svg
	$(BIN)/convblocks draw residual --depth 2 --out docs/residual.svg
	$(BIN)/convblocks draw bottleneck --depth 3 --input 256x64x64 --out docs/bottleneck.svg

# From PyPI, torch for Linux brings gigabytes of CUDA. PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
# adds builds without it, whose version (2.13.0+cpu) pip prefers, as it is the higher of those that constraints.txt allows.
$(READY): constraints.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	touch $(READY)

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
