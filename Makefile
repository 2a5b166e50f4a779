# Jouleloop. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TARGET ?= pico@emulator
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | \
		awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[train,test,dev]'
	touch $(STAMP)

.PHONY: setup
setup: $(STAMP) ## make .venv with everything that the other targets need

.PHONY: run
run: $(STAMP) ## the main job on TARGET (pico@emulator): train, quantize, compile, flash, replay, measure
	$(BIN)/jouleloop bench $(TARGET)

.PHONY: test
test: $(STAMP) ## all tests; boards are emulated, nothing is mocked
	$(BIN)/python -m pytest -n 2 --dist worksteal

.PHONY: wheel
wheel: $(STAMP) ## build the wheel and try it in an empty environment, outside of the checkout
	$(BIN)/python -m pytest -m install tests/install/test_wheel.py

# A state folder of its own: neither a calibration of this machine's nor a flash that others use.
HIL := JOULELOOP_STATE='$(CURDIR)/runs/hil/state' $(BIN)/jouleloop hil pico@emulator esp32c3@emulator \
	--baseline tests/hil/baselines/emulated.json

.PHONY: hil
hil: $(STAMP) ## emulated boards held against the committed figures; report in runs/hil
	$(HIL) --junit runs/hil/junit.xml

.PHONY: hil-baseline
hil-baseline: $(STAMP) ## accept today's figures of the emulated boards
	$(HIL) --update-baseline --policy tests/hil/policy --preset quick --seed 42

.PHONY: tutorial
tutorial: $(STAMP) ## docs/TUTORIAL.md word for word in an empty environment; takes some minutes
	$(BIN)/python -m pytest -m install -s tests/install/test_tutorial.py

.PHONY: check
check: $(STAMP) ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	git ls-files -z 'firmware/*.c' 'firmware/*.h' | xargs -0 $(BIN)/clang-format --dry-run --Werror

.PHONY: format
format: $(STAMP) ## format Python and C
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	git ls-files -z 'firmware/*.c' 'firmware/*.h' | xargs -0 $(BIN)/clang-format -i

.PHONY: bench
bench: $(STAMP) ## figures for docs/BENCHMARKS.md: networks on the core, scenarios
	$(BIN)/python tests/bench/bench_networks.py
	$(BIN)/python tests/bench/bench_scenario.py
	$(BIN)/python tests/bench/bench_link.py
	$(BIN)/python tests/bench/bench_startup.py

.PHONY: soak
soak: $(STAMP) ## the long proofs: 1e6 frames over a bad line, 1e7 fuzzed inputs, runs killed again and again
	$(BIN)/python tests/soak/soak_link.py --frames 1000000
	$(BIN)/python tests/firmware/fuzz/fuzz.py --runs 10000000
	$(BIN)/python -m pytest -n 2 -m long

.PHONY: docs
docs: $(STAMP) ## API pages into build/docs, docs/API.md in front
	$(BIN)/python docs/pages/build.py
	@echo build/docs/index.html

.PHONY: size
size: $(STAMP) ## flash and RAM of every board's image, and the change since HEAD
	$(BIN)/python tests/bench/size.py

.PHONY: clean
clean: ## remove run folders and caches (not .venv)
	rm -rf runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
