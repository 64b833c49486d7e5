# SPDX-License-Identifier: BSD-2-Clause
#
# What one does with this project. SwiftPM builds; the scripts do the rest, and say with --help what.

PREFIX = /usr/local
DESTDIR =
export PREFIX DESTDIR

.DEFAULT_GOAL := help
.PHONY: help build demo check install uninstall bench fuzz test lint clean

help: ## print this list
	@printf 'make <target>; the targets:\n\n'
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile
	@printf '\nPREFIX=%s DESTDIR=%s\n' '$(PREFIX)' '$(DESTDIR)'

build: ## build the release, installing missing Debian packages first
	@scripts/build

demo: ## build, then run a log in ./demo, log a file in it and prove that, until Ctrl-C
	@scripts/demo

check: ## the whole gate: formatting, build, unit and integration tests
	@scripts/check

test: ## build for debugging and run the unit tests
	@scripts/install-packages
	swift test

lint: ## check the formatting of sources, scripts, manual pages and units
	@scripts/lint

install: ## install the release with manual pages and units below $(DESTDIR)$(PREFIX)
	@scripts/install

uninstall: ## remove what install put there; configuration and logs stay
	@scripts/install --uninstall

bench: ## measure the release beside log-go and nginx on this machine
	@scripts/bench

fuzz: ## feed the parsers mangled input for a while
	@scripts/fuzz

clean: ## remove what was built; peers/, demo/ and bench-data/ stay
	rm -rf .build
