# Everything runs in .venv, which is made here. `make help` lists what there is.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMPS := $(VENV)/.stamps
PIP    := $(BIN)/python -m pip --disable-pip-version-check -qq

# The package is installed editable: an edit in src/ needs no build. What does: the build's own files, native
# sources, and a Python file that came or went (an editable install lists them), hence the checksum of names.
NATIVE := $(shell find native -type f 2>/dev/null)
NAMES  := $(shell find src -name '*.py' 2>/dev/null | LC_ALL=C sort | cksum | cut -d' ' -f1)
BUILD  := pyproject.toml CMakeLists.txt $(NATIVE)

PYTEST_ARGS ?= -n auto --dist loadfile
EXTRAS      ?= test
MINUTES     ?= 30

.DEFAULT_GOAL := help
.PHONY: help demo test torture lint format clean
.DELETE_ON_ERROR:

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

demo: $(STAMPS)/package-$(NAMES) ## search Python's standard library by meaning (makes demo.db)
	@$(BIN)/idembed demo

test: $(STAMPS)/test-$(EXTRAS)-$(NAMES) ## run every test; PYTEST_ARGS="-x -k cli" chooses; EXTRAS=test,servers,sdks for all
	$(BIN)/python -m pytest $(PYTEST_ARGS)

torture: $(STAMPS)/test-$(EXTRAS)-$(NAMES) ## live and break indexes for MINUTES=30 (STORES=sqlite,lance); rows lost must be 0
	@$(BIN)/python tests/torture/torture.py --minutes $(MINUTES) $(if $(STORES),--stores $(STORES))

lint: $(STAMPS)/test-$(EXTRAS)-$(NAMES) $(STAMPS)/lint ## check format, types, layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	find native -name '*.h' -o -name '*.cpp' | xargs $(BIN)/clang-format --dry-run -Werror

format: $(STAMPS)/lint ## put everything into format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	find native -name '*.h' -o -name '*.cpp' | xargs $(BIN)/clang-format -i

clean: ## remove what was made here: .venv, builds, caches, demo.db
	rm -rf $(VENV) build dist demo.db demo.db-wal demo.db-shm
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMPS)/venv:
	@command -v $(PYTHON) >/dev/null || { echo "error: there is no $(PYTHON); install Python 3.11 or newer, or name it: make PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: idembed needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1); name another: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "error: this Python cannot make a virtual environment; install the missing package (Debian, Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS)
	@touch $@

# $(1): stamp, $(2): what to install
define install
	@command -v "$${CXX:-c++}" >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null || { echo "error: there is no C++ compiler; install g++ or clang++ (Debian, Ubuntu: apt install g++; macOS: xcode-select --install)" >&2; exit 1; }
	@echo "installing $(2) (a minute the first time)"
	@$(PIP) install --editable '$(2)'
	@rm -f $(STAMPS)/$(1)-*
	@touch $@
endef

$(STAMPS)/package-$(NAMES): $(STAMPS)/venv $(BUILD)
	$(call install,package,.)

$(STAMPS)/test-$(EXTRAS)-$(NAMES): $(STAMPS)/venv $(BUILD)
	$(call install,test,.[$(EXTRAS)])
	@rm -f $(STAMPS)/package-*; touch $(STAMPS)/package-$(NAMES)

$(STAMPS)/lint: $(STAMPS)/venv pyproject.toml
	@echo "installing what checks the code"
	@$(PIP) install $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["lint"])')
	@touch $@
