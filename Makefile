# The three commands: `make repro` (the pipeline), `make test` (everything), `make check` (quick).
PYTHON ?= $(shell command -v python3.11 || command -v python3)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
OURS = src pipelines tests benchmarks docs
# Two halves of the list of tests; the one that is done first takes over from the other.
SIDE_BY_SIDE = pytest -n 2 --dist worksteal
.PHONY: repro test check docs backends requirements
.DELETE_ON_ERROR:

repro: .venv/installed
	@python -m truefit.stages.leftovers
	dvc repro
	@echo && truefit show

test: .venv/installed-dev
	ruff check $(OURS) && ruff format --check $(OURS) && mypy
	$(SIDE_BY_SIDE)

check: .venv/installed-dev
	ruff check $(OURS) && ruff format --check $(OURS) && mypy
	$(SIDE_BY_SIDE) -m 'not slow'

# The pages as a site: open site/index.html.
docs: .venv/installed-dev
	python docs/reference.py
	sphinx-build -W --keep-going -q -b html docs site

# PyTorch and JAX beside TensorFlow: the tests of experiments then run on all three.
backends: .venv/installed-dev
	.venv/bin/python -m pip install --quiet -r requirements-backends.txt

# uv installs the same pinned files in a third of pip's time; where it cannot, pip does.
PIP = .venv/bin/python -m pip install --quiet --require-hashes -r
UV = .venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes -r

.venv/installed: requirements.txt requirements-uv.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("truefit needs Python 3.11 to 3.13, found %d.%d: make PYTHON=..." % sys.version_info[:2] if not (3, 11) <= sys.version_info < (3, 14) else 0)'
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(PIP) requirements-uv.txt
	$(UV) requirements.txt || $(PIP) requirements.txt
	.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	$(UV) requirements-dev.txt || $(PIP) requirements-dev.txt
	touch $@

# Exact versions and hashes for every platform, without addresses.
LOCK = uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet pyproject.toml
requirements: .venv/installed-dev
	$(LOCK) --extra build -o requirements.txt
	$(LOCK) --extra build --extra team --extra ray --extra slurm --extra dev -c requirements.txt -o requirements-dev.txt
	awk '/^uv==/,!/\\$$/' requirements-dev.txt > requirements-uv.txt
