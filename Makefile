# Every target is ready on a bare clone: it first sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

# One torch thread a test process: two that share two cores would only wait for each other.
TEST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest

.PHONY: install demo test lint bench faults experiments figures reference package clean
.DEFAULT_GOAL := install

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[demo]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.installed $(VENV)/.installed-demo

install: $(VENV)/.installed  ## .venv with the infogan command
	@echo 'ready: $(BIN)/infogan --help'

demo: $(VENV)/.installed-demo  ## train on 5,000 real digits and look at the pictures
	$(BIN)/infogan train mnist-5k

test: $(VENV)/.installed-dev  ## all tests but those of `make experiments`
	$(TEST) -n 2 tests --ignore tests/long

faults: $(VENV)/.installed-dev  ## kill, truncate, fill up, flip bits: nothing may be lost
	$(TEST) -n 2 tests/faults

lint: $(VENV)/.installed-dev  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev  ## speeds as ratios within one run, into benchmarks/results.json
	$(BIN)/python -m benchmarks $(if $(MNIST),--mnist $(MNIST))

# Minutes, and so apart from `make test`.
experiments: $(VENV)/.installed-dev  ## every preset and every figure of the paper, in the small
	$(TEST) -n 2 tests/long

figures: $(VENV)/.installed  ## the figures of docs that take hours or days (DATA, SVHN, CELEBA=folders of the true files)
	$(BIN)/infogan reproduce figure1 $(if $(DATA),--data $(DATA))
	$(BIN)/infogan reproduce mnist-paper $(if $(DATA),--data $(DATA))
	$(BIN)/infogan reproduce robust-mnist $(if $(DATA),--data $(DATA))
	$(BIN)/infogan reproduce robust-digits
	$(BIN)/infogan reproduce robust-fashion
	$(BIN)/infogan reproduce fashion-seeds
	$(BIN)/infogan reproduce robust $(if $(DATA),--data $(DATA))
	$(BIN)/infogan reproduce mnist $(if $(DATA),--data $(DATA))
	$(BIN)/infogan reproduce svhn $(if $(SVHN),--data $(SVHN))
	$(if $(CELEBA),$(BIN)/infogan reproduce celeba --data $(CELEBA),@echo 'no CELEBA=FOLDER: celeba is left out')
	$(BIN)/infogan reproduce faces-azimuth --out runs/faces  # by `robust` the four train the same runs
	$(BIN)/infogan reproduce faces-elevation --out runs/faces
	$(BIN)/infogan reproduce faces-lighting --out runs/faces
	$(BIN)/infogan reproduce faces-width --out runs/faces
	$(BIN)/infogan reproduce chairs-rotation
	$(BIN)/infogan reproduce chairs-width
	$(BIN)/infogan reproduce own-pictures
	$(BIN)/infogan reproduce worked-examples
	$(BIN)/infogan reproduce sprites
	$(BIN)/infogan reproduce choosing-mnist --set network.width=0.5 $(if $(DATA),--data $(DATA))
	$(BIN)/infogan reproduce choosing-sprites --set network.width=0.5
	$(BIN)/infogan reproduce verdicts-mnist $(if $(DATA),--data $(DATA))
	$(BIN)/infogan reproduce discover-fashion
	$(if $(CELEBA),$(BIN)/infogan reproduce discover-celeba --data $(CELEBA))
	$(BIN)/infogan reproduce discover-own
	$(BIN)/infogan reproduce discover-digits
	$(BIN)/infogan reproduce discover-noise

# Only its functions on arrays are used; the package itself wants torchvision and lightning.
reference: $(VENV)/.installed-dev  ## MIG and DCI beside another implementation of them
	$(BIN)/pip download --quiet --no-deps --dest .reference disent==0.8.0
	cd .reference && $(CURDIR)/$(BIN)/python -m zipfile -e disent-0.8.0-*.whl .
	INFOGAN_REFERENCE=$(CURDIR)/.reference $(TEST) -rP tests/reference

package: $(VENV)/.installed-dev  ## a wheel in dist/
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

clean:  ## all but runs
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .reference
