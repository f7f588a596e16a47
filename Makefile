# Everything a fresh machine needs. `make demo` and `make test` install by themselves.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PHRASEBOOK := data/phrasebook
DEMO := checkpoints/demo

.PHONY: install demo test check bench bench-train bench-translate bench-scale bench-startup clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt --group dev --editable .
	touch $@

demo: install  ## train, translate and score on the bundled corpus, in under five minutes
	$(BIN)/nmt train $(PHRASEBOOK)/train.de $(PHRASEBOOK)/train.en \
		--valid $(PHRASEBOOK)/valid.de --valid $(PHRASEBOOK)/valid.en \
		--out $(DEMO) --budget 150s
	@echo "--- five sentences it has never seen"
	head -n 5 $(PHRASEBOOK)/test.de
	head -n 5 $(PHRASEBOOK)/test.de | $(BIN)/nmt translate $(DEMO)
	@echo "--- its score on the test set"
	$(BIN)/nmt evaluate $(DEMO) $(PHRASEBOOK)/test.de $(PHRASEBOOK)/test.en

test: install  ## the whole suite
	$(BIN)/python -m pytest

check: install  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install  ## speed of training and translating on this machine
	$(BIN)/python bench/speed.py

bench-train: install  ## speed of training beside two other systems, which it installs
	$(BIN)/python bench/train.py $(ARGS)

bench-translate: install  ## speed of translating beside three other systems, which it installs and trains
	$(BIN)/python bench/translate.py $(ARGS)

bench-scale: install  ## time and memory a pair, as the corpus grows
	$(BIN)/python bench/scale.py $(ARGS)

bench-startup: install  ## one sentence from a cold start, and from a warm process
	$(BIN)/python bench/startup.py $(ARGS)

clean:  ## remove what was made here, but no trained models
	rm -rf $(VENV) bench/peers build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
