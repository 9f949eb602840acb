# Every target sets up what it needs in .venv first.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: run test check bench drill mutants clean help

help:
	@echo "make run      the demo: a worker, its overseer, a broker, a person; no key needed (about a minute,"
	@echo "              and as much again the first time, for the Python packages)"
	@echo "make test     the tests (about ten minutes)"
	@echo "make check    format, lint, types, import rules"
	@echo "make bench    measurements, as ratios"
	@echo "make drill    the long versions: 4,000 protocol schedules, 30 rounds of kill -9"
	@echo "make mutants  takes guards out one at a time and shows what turns red"

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it with make PYTHON=..."; exit 1; }
	@echo "Setting up .venv with the Python packages: once, half a minute to three minutes; pip speaks only if something is wrong."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(STAMP)
	@echo "Done: the command is .venv/bin/watchdogd."

run: $(STAMP)
	@$(BIN)/watchdogd demo

# Two halves beside each other: the tests of whole daemons mostly wait. They print when the others are through.
WAITING := tests/e2e tests/bus

test: $(STAMP)
	@log=$$(mktemp); $(BIN)/python -m pytest -q $(WAITING) >"$$log" 2>&1 & waiting=$$!; \
	trap 'kill $$waiting 2>/dev/null; rm -f "$$log"' EXIT; trap 'exit 130' INT TERM; \
	$(BIN)/python -m pytest -q $(addprefix --ignore=,$(WAITING)); here=$$?; \
	echo "and the tests of whole daemons, which take some minutes more:"; \
	wait $$waiting; there=$$?; cat "$$log"; exit $$((here | there))

check: $(STAMP)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(STAMP)
	@$(BIN)/python -m tests.bench

drill: $(STAMP)
	@$(BIN)/python -m tests.drill

mutants: $(STAMP)
	@$(BIN)/python -m tests.mutants

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build *.egg-info
