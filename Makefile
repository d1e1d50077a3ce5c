# The two commands: `make demo` and `make test`. Everything is installed into .venv with pip alone.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-fast check install clean

demo: install
	$(BIN)/editaction demo

# Flows start servers and are killed at set moments, so they run one after another.
test: install
	$(BIN)/python -m pytest -n auto -m "not slow"
	$(BIN)/python -m pytest -n auto -m slow --ignore tests/flows
	$(BIN)/python -m pytest -m slow tests/flows --durations=15

test-fast: install
	$(BIN)/python -m pytest -n auto -m "not slow"

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: .venv/installed

# The constraints are the versions that the tests ran with.
.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf .venv build *.egg-info
