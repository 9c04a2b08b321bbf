# Every target is ready on a bare clone: it first sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

# One torch thread a test process: two that share two cores would only wait for each other.
TEST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest

.PHONY: install demo test test-all test-slow lint bench faults experiments figures reference package site clean
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

test: $(VENV)/.installed-dev  ## the quick tests: some minutes on two cores
	$(TEST) -n 2 --dist loadfile -m 'not slow and not long' tests --ignore tests/long

test-all: $(VENV)/.installed-dev  ## all tests but those of `make experiments`
	$(TEST) -n 2 --dist loadfile -m 'not long' tests --ignore tests/long

test-slow: $(VENV)/.installed-dev  ## the tests of `make test-all` that `make test` leaves out
	$(TEST) -n 2 --dist loadfile -m 'slow and not long' tests --ignore tests/long

# Under 20 minutes on two cores; the tests alone are part of `make test-all`.
faults: $(VENV)/.installed-dev  ## kill, truncate, fill up, flip bits, mutate: nothing may be lost
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m tests.faults --report --long

lint: $(VENV)/.installed-dev  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-dev  ## speeds as ratios within one run, into benchmarks/results.json
	$(BIN)/python -m benchmarks $(if $(MNIST),--mnist $(MNIST))

# Takes minutes, so it is not part of `make test`.
experiments: $(VENV)/.installed-dev  ## smoke tests of every preset and every figure of the paper
	$(TEST) -n 2 tests/long
	$(TEST) -n 2 --dist loadfile -m long tests

REPRODUCE := $(BIN)/infogan reproduce
ON_MNIST := figure1 mnist-paper robust-mnist robust mnist verdicts-mnist
ON_OTHERS := robust-digits robust-fashion chairs-rotation chairs-width own-pictures worked-examples \
	sprites discover-fashion discover-own discover-digits discover-noise

# With the recipe `robust` the four presets of faces train the same runs, so they share a folder.
figures: $(VENV)/.installed  ## the results of the documentation, hours to days (DATA, SVHN, CELEBA=folders of the original files)
	set -e; for name in $(ON_MNIST); do $(REPRODUCE) $$name $(if $(DATA),--data $(DATA)); done
	set -e; for name in $(ON_OTHERS); do $(REPRODUCE) $$name; done
	set -e; for name in azimuth elevation lighting width; do $(REPRODUCE) faces-$$name --out runs/faces; done
	$(REPRODUCE) choosing-mnist --set network.width=0.5 $(if $(DATA),--data $(DATA))
	$(REPRODUCE) choosing-sprites --set network.width=0.5
	$(REPRODUCE) svhn $(if $(SVHN),--data $(SVHN))
ifdef CELEBA
	$(REPRODUCE) celeba --data $(CELEBA)
	$(REPRODUCE) discover-celeba --data $(CELEBA)
else
	@echo 'celeba and discover-celeba need CELEBA=FOLDER'
endif

# Only its functions on arrays are used; the package itself wants torchvision and lightning.
reference: $(VENV)/.installed-dev  ## MIG and DCI beside another implementation of them
	$(BIN)/pip download --quiet --no-deps --dest .reference disent==0.8.0
	cd .reference && $(CURDIR)/$(BIN)/python -m zipfile -e disent-0.8.0-*.whl .
	INFOGAN_REFERENCE=$(CURDIR)/.reference $(TEST) -rP tests/reference

$(VENV)/.installed-docs: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e '.[docs]'
	@touch $@ $(VENV)/.installed

site: $(VENV)/.installed-docs  ## the documentation as a website in site/, with the API from its docstrings
	$(BIN)/zensical build --clean --strict

package: | $(BIN)/python  ## a wheel in dist/
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

clean:  ## all but runs
	rm -rf $(VENV) dist build site .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .reference
