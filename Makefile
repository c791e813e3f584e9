# Everything a developer or a newcomer does. Each target first installs what it lacks, on Debian and Ubuntu.

PYTHON ?= python3
DEMO ?= $(HOME)/offtracfs-demo
PREFIX ?= /usr/local
# mount(8) looks for its helpers in /sbin and nowhere else; an empty HELPERS leaves ours out.
HELPERS ?= /sbin

VENV := .venv
BIN := $(VENV)/bin
LIBRARY := $(PREFIX)/lib/offtracfs
export PYTHON

.DELETE_ON_ERROR:
.PHONY: help
help:
	@echo 'make demo      mount a made-up tracker with years of history at $(DEMO), and look at it'
	@echo 'make test      linter, type check, order of imports, tests (make test-all: slow ones and new stories too)'
	@echo 'make bench     measure generated trackers of up to 100,000 tickets'
	@echo 'make bench-peers  put the mount beside the disk, and bindfs, squashfuse, ratarmount, restic, borg if they are there'
	@echo 'make install   install below $(PREFIX), for all users (make uninstall: take it away again)'
	@echo 'make clean     remove what the others left in this folder'

# PYTHONWARNINGS: setuptools warns of every editable installation. CFLAGS: compiling pyfuse3 for a debugger, too, or
# with all the optimizations of Python itself, takes more than twice as long, and makes no mount faster.
export PYTHONWARNINGS := ignore
export CFLAGS := -g0 -O1
PIP := $(BIN)/pip --quiet --disable-pip-version-check

# pyproject.toml says what the environment holds: here what the program itself needs, which is enough for the demo.
$(VENV)/installed: pyproject.toml $(wildcard packaging/pyfuse3/*)
	@echo 'Looking for the system packages that offtracfs needs ...'
	@packaging/system-dependencies run build
	@echo 'Installing offtracfs and the Python packages that it needs into $(VENV), which takes up to a minute ...'
	@$(PYTHON) -m venv $(VENV)
	@packaging/pyfuse3/install $(BIN)/python
	@$(PIP) install --editable .
	@touch $@

# More, for developers and tests; in one step, as each takes its time. pip understands --group from 25.1 on.
# --no-compile: Python compiles what is imported, which is far less than what is installed.
# The stock pyfuse3 lies aside: the tests show that it gives the same tree.
$(VENV)/ready: pyproject.toml $(wildcard packaging/pyfuse3/*)
	@echo 'Looking for the system packages that offtracfs needs ...'
	@packaging/system-dependencies run build
	@echo 'Installing offtracfs, and what its developers and tests need, into $(VENV), which takes up to a minute ...'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@packaging/pyfuse3/install $(BIN)/python
	@$(PIP) install --no-compile --editable '.[keyring,postgresql]' --group dev
	@$(PIP) install --no-deps --upgrade --target $(VENV)/stock 'pyfuse3>=3.3'
	@touch $(VENV)/installed $@

.PHONY: demo
demo: $(VENV)/installed
	@packaging/system-dependencies run
	mountpoint -q $(DEMO) || $(BIN)/offtracfs demo $(DEMO)
	ls $(DEMO)
	grep -rl crash $(DEMO)/ticket | head -n 5
	ls $(DEMO)/@2015-06-03/ticket | head -n 5
	@echo
	@echo 'The tracker stays mounted at $(DEMO): look around. To end it: $(BIN)/offtracfs umount $(DEMO)'

.PHONY: lint
lint: $(VENV)/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

.PHONY: test test-all
test: SELECTION := -m 'not slow'
test-all: SELECTION := --hypothesis-profile=new-stories
test test-all: lint
	packaging/system-dependencies run test
	$(BIN)/pytest --numprocesses 4 --dist worksteal $(SELECTION)

.PHONY: bench
bench: $(VENV)/ready
	packaging/system-dependencies run
	$(BIN)/python -m tests.bench

.PHONY: bench-peers
bench-peers: $(VENV)/ready
	packaging/system-dependencies run
	$(BIN)/python -m tests.bench.peers

# From a copy: a build leaves files beside its sources, which root would own, and packs what it finds of the last.
.PHONY: install
install:
	packaging/system-dependencies run build
	$(PYTHON) -m venv --clear $(LIBRARY)
	packaging/pyfuse3/install $(LIBRARY)/bin/python
	mkdir $(LIBRARY)/source
	cp -r pyproject.toml README.md LICENSE offtracfs cli $(LIBRARY)/source
	$(LIBRARY)/bin/pip install --quiet $(LIBRARY)/source
	rm -r $(LIBRARY)/source
	mkdir -p $(PREFIX)/bin
	ln -sf ../lib/offtracfs/bin/offtracfs $(PREFIX)/bin/offtracfs
	$(MAKE) --no-print-directory install-files

MAN_PAGE := $(PREFIX)/share/man/man1/offtracfs.1
UNIT := $(PREFIX)/share/systemd/user/offtracfs@.service
BASH := $(PREFIX)/share/bash-completion/completions/offtracfs
ZSH := $(PREFIX)/share/zsh/site-functions/_offtracfs
FISH := $(PREFIX)/share/fish/vendor_completions.d/offtracfs.fish
HELPER := $(if $(HELPERS),$(HELPERS)/mount.offtracfs)

# What belongs around an installed $(PREFIX)/bin/offtracfs.
.PHONY: install-files
install-files:
	mkdir -p $(dir $(MAN_PAGE) $(UNIT) $(BASH) $(ZSH) $(FISH) $(HELPER))
	cp packaging/offtracfs.1 $(MAN_PAGE)
	sed 's|/usr/local/bin|$(PREFIX)/bin|' packaging/offtracfs@.service >$(UNIT)
	_OFFTRACFS_COMPLETE=bash_source $(PREFIX)/bin/offtracfs >$(BASH)
	_OFFTRACFS_COMPLETE=zsh_source $(PREFIX)/bin/offtracfs >$(ZSH)
	_OFFTRACFS_COMPLETE=fish_source $(PREFIX)/bin/offtracfs >$(FISH)
ifneq ($(HELPER),)
	sed 's|/usr/local/bin|$(PREFIX)/bin|' packaging/mount.offtracfs >$(HELPER)
	chmod 755 $(HELPER)
endif

.PHONY: uninstall
uninstall:
	rm -rf $(LIBRARY)
	rm -f $(PREFIX)/bin/offtracfs $(MAN_PAGE) $(UNIT) $(BASH) $(ZSH) $(FISH) $(HELPER)

.PHONY: clean
clean:
	rm -rf $(VENV) build *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
