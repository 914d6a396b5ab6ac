# Works with GNU Make 3.81 and later, the one macOS ships included.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON ?= python3
VENV ?= .venv
QUESTION ?= Why is the sky dark at night, when every direction should end at a star?
MINUTES ?= 10
REQUESTS ?= 20000
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq
IS_311 := import sys; sys.exit(sys.version_info < (3, 11))
export QUESTION

.PHONY: help
help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  PYTHON=python3.12 chooses the interpreter, ARGS="-k retry" is passed on.'

# Run -----------------------------------------------------------------------------------------------------

.PHONY: demo
demo: $(VENV)/.server  ## Ask an ensemble one question, live (QUESTION="…" for your own)
	@$(BIN)/moa ask "$$QUESTION"

.PHONY: serve
serve: $(VENV)/.server  ## Serve the ensembles, OpenAI-compatible, on 127.0.0.1:6620
	@$(BIN)/moa serve $(ARGS)

# Check ---------------------------------------------------------------------------------------------------

.PHONY: test
test: $(VENV)/.dev  ## Run every test
	$(BIN)/python -m pytest --ignore=tests/e2e $(ARGS)

.PHONY: e2e
e2e: $(VENV)/.e2e  ## Drive the real Open WebUI in a browser (installs both, 3 GB; ARGS=--update-images)
	@PYTHON=$(PYTHON) tests/e2e/setup
	$(BIN)/python -m pytest tests/e2e $(ARGS)

.PHONY: fuzz
fuzz: $(VENV)/.fuzz  ## Try ever stranger inputs for ten minutes (MINUTES=60, ARGS="chunks http")
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES) $(ARGS)

.PHONY: check
check: $(VENV)/.dev  ## Style, types, import order; the documentation and the examples run
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest tests/docs

.PHONY: bench
bench: $(VENV)/.dev  ## Measure; print the tables of benchmarks/
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: faults
faults: $(VENV)/.dev $(VENV)/peers/.installed  ## Run the fault card, docs/faults.md (ARGS="F6 S08" for some rows)
	$(BIN)/python -m tests.faults --peers $(VENV)/peers/bin/python $(ARGS)

.PHONY: soak
soak: $(VENV)/.dev  ## Serve REQUESTS=20000 with faults, for MINUTES=10 at most; fail if anything is left behind
	$(BIN)/python -m benchmarks.soak --requests $(REQUESTS) --minutes $(MINUTES) $(ARGS)

# Install -------------------------------------------------------------------------------------------------
# A stamp stands for "installed from these locks": nothing happens until a lock or pyproject.toml changes.

$(VENV)/.created:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found" >&2; \
	  echo "hint: install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c '$(IS_311)' || { \
	  echo "moakit needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1)" >&2; \
	  echo "hint: name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c '$(IS_311)' || { echo "$(VENV) belongs to an older Python" >&2; \
	  echo "hint: make clean, then again" >&2; exit 1; }
	@touch $@

$(VENV)/.server: $(VENV)/.created requirements/build.txt requirements/server.txt pyproject.toml
	@echo "Installing moakit into $(VENV), every package checked against its hash (once, under a minute)"
	@$(PIP) --require-hashes -r requirements/build.txt -r requirements/server.txt
	@$(PIP) --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.created requirements/dev.txt pyproject.toml
	@echo "Installing moakit and its development tools into $(VENV), every package checked against its hash"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@$(PIP) --no-build-isolation --no-deps -e .
	@touch $(VENV)/.server $@

$(VENV)/.e2e: $(VENV)/.dev requirements/e2e.txt
	@$(PIP) --require-hashes -r requirements/e2e.txt
	@touch $@

# What the fault card compares with; no package of it is ever in the same environment as moakit.
$(VENV)/peers/.installed: $(VENV)/.created requirements/peers.txt
	@$(PYTHON) -m venv $(VENV)/peers
	@$(VENV)/peers/bin/python -m pip --disable-pip-version-check install -qq --require-hashes -r requirements/peers.txt
	@touch $@

$(VENV)/.fuzz: $(VENV)/.dev requirements/fuzz.txt
	@$(PIP) --require-hashes -r requirements/fuzz.txt
	@touch $@

.PHONY: docs
docs: $(VENV)/.dev  ## Write the generated parts of the documentation
	$(BIN)/python docs/generate.py

# Maintain ------------------------------------------------------------------------------------------------

COMPILE = "$$tools/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(ARGS)

.PHONY: lock
lock:  ## Write requirements/*.txt from pyproject.toml (ARGS=--upgrade for newer versions)
	@tools=$$(mktemp -d) && trap 'rm -rf "$$tools"' EXIT && \
	$(PYTHON) -m venv "$$tools" && \
	"$$tools/bin/pip" --disable-pip-version-check install -qq 'uv>=0.8' && \
	$(COMPILE) pyproject.toml --extra server -o requirements/server.txt && \
	$(COMPILE) --group build -c requirements/server.txt -o requirements/build.txt && \
	$(COMPILE) pyproject.toml --all-extras --group build --group dev \
	  -c requirements/server.txt -c requirements/build.txt -o requirements/dev.txt && \
	$(COMPILE) --group e2e -c requirements/dev.txt -o requirements/e2e.txt && \
	$(COMPILE) --group fuzz -c requirements/dev.txt -o requirements/fuzz.txt && \
	$(COMPILE) requirements/peers.in -c requirements/dev.txt -o requirements/peers.txt
	@grep -c '==' requirements/*.txt

.PHONY: clean
clean:  ## Remove the environment, caches and builds
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
