PY ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: study test test-all lint benchmark clean

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PY) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[test,dev]"
	touch $@

study: $(VENV)/.installed        ## the vanishing-gradient study on the embedded digits
	$(BIN)/python scripts/train.py study=vanishing_gradient

test: $(VENV)/.installed         ## the default suite, four to nine minutes on two cores
	$(BIN)/python -m pytest -q -n 2

test-all: $(VENV)/.installed     ## the slow tests too
	$(BIN)/python -m pytest -q -n 2 -m "not gpu"

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

benchmark: $(VENV)/.installed
	$(BIN)/python scripts/benchmark.py

clean:
	rm -rf $(VENV) build dist
