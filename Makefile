# Each target that needs the environment creates it on its first run; later runs
# reuse it, until setup.py or pyproject.toml change.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
DEMO := results/demo

# Where it is set, every process would compile all it imports again: nearly half its start.
unexport PYTHONDONTWRITEBYTECODE

# A Python that the user names is taken at its word; otherwise any fitting one will do.
CANDIDATES := $(if $(filter file,$(origin PYTHON)),$(PYTHON) python3.12 python3.11 python3.10,$(PYTHON))
FITS := import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))

.DEFAULT_GOAL := help
.PHONY: help demo test recipes lint format parity clean

help:  ## Show this list
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 18
	@echo "Another Python, 3.10 to 3.12: make PYTHON=python3.11 <target>"

demo: $(VENV)/.installed  ## Train on built-in sounds, classify sounds, answer queries
	$(RUN) recipes/AudioCaps/train.py hparams/demo.yaml --output_folder $(DEMO)
	$(RUN) recipes/ESC-50/zero_shot.py hparams/demo.yaml --checkpoint $(DEMO) \
		--output_folder $(DEMO)/zero_shot
	$(RUN) recipes/AudioCaps/search.py --checkpoint $(DEMO) \
		"a dog barking quickly" "rain falling" "a siren in the distance"

test: $(VENV)/.tested  ## Run the tests, offline
	@# A process a core, each with one thread: threads of several processes get in each
	@# other's way.
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(RUN) -m pytest -q --durations=15 \
		-n auto --dist loadfile -m "not parity and not full_size"

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

clean:  ## Remove the environment, builds and caches (results stay)
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: setup.py pyproject.toml
	@for python in $(CANDIDATES); do \
		"$$python" -c '$(FITS)' 2>/dev/null || continue; \
		echo "Installing into $(VENV) with $$($$python --version), once"; \
		exec "$$python" -m venv $(VENV); \
	done; \
	echo "No Python 3.10 to 3.12 among: $(CANDIDATES)." >&2; \
	echo "Name one that is installed: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; \
	exit 1
	@# What is imported is compiled then; all of it at once would take half a minute.
	$(RUN) -m pip install --quiet --no-compile --editable .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(RUN) -m pip install --quiet --no-compile --editable '.[test]'
	@touch $@

$(VENV)/.parity: $(VENV)/.installed
	$(RUN) -m pip install --quiet --no-compile --editable '.[test,parity]'
	@# Their own requirements are of years ago, and their models need none of them.
	$(RUN) -m pip install --quiet --no-deps \
		laion_clap==1.1.7 msclap==1.3.4 panns_inference==0.1.1
	@touch $@
