# Every loop is a target; CI runs only targets.
.DEFAULT_GOAL := check
.PHONY: help deb ledger check run test compliance deps build lint bench bench-deps soak docs crash fuzz hostile vm worlds

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

check: ## The inner loop: formatting, lints and the tests that need nothing installed
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	cargo test --locked --lib --bins --test architecture --test ledger

build: ## Build the programs, optimised
	cargo build --release --locked

run: ## Build, and start supervisord in the foreground on the quickstart example
	cargo build --locked
	target/debug/supervisord -n -c examples/quickstart/supervisord.conf

lint: ## Formatting and lints
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings

ledger: ## How many statements about Supervisor have a test, and how many an exception
	@cargo test --locked -q --test ledger the_totals_are_told -- --nocapture

deps: ## Install what the tests need (Debian packages and PyPI; needs root)
	tests/support/install-deps

compliance: deps ## The same cases for Python Supervisor and for ours, and how many of them hold
	@echo "theirs:"; cargo test --locked -q --test compliance theirs -- --test-threads 4
	@echo "ours:"; cargo test --locked -q --test compliance ours -- --test-threads 4

test: lint deps ## Everything: lints, unit, property, compliance and systemd tests
	cargo test --locked --no-fail-fast
	$(MAKE) worlds

crash: deps ## A daemon that looks after 200 programs is killed a hundred times
	CRASH_PROGRAMS=200 CRASHES=100 cargo test --locked --test crash a_killed_daemon -- --nocapture

worlds: ## A hundred thousand worlds in which the daemon dies between any two steps (CRASH_WORLDS)
	CRASH_WORLDS=$(or $(CRASH_WORLDS),100000) cargo test --profile worlds --locked --lib kept::worlds

docs: ## Make the manual pages and the completions anew, from the tables
	UPDATE_DOCS=1 cargo test --locked -q --lib docs::

bench-deps: deps ## Install the peers that `make bench` measures as well (needs root)
	tests/support/install-deps s6 runit gcc libc6-dev

bench: bench-deps ## Speed and size beside Python Supervisor, s6, runit and a floor; keeps the table in docs/performance.md
	cargo bench --locked --bench processes
	cargo bench --locked --bench pure

soak: ## An hour (SOAK_SECONDS) with 200 programs that crash at random and log; draws docs/soak.svg
	SOAK_SECONDS=$(or $(SOAK_SECONDS),3600) cargo bench --locked --bench soak

hostile: ## Clients that mean harm: how long a well-behaved one waits meanwhile, and how much memory the daemon takes
	cargo test --release --locked --test hostile -- --include-ignored --nocapture --test-threads 1

fuzz: ## Feed random input to everything that reads what others wrote, FUZZ_SECONDS (600) for each target
	fuzz/run $(or $(FUZZ_SECONDS),600)

# A toolchain of rustup is no package that could be depended on.
deb_profile := $(if $(shell command -v rustup),-Ppkg.supervisord.rustup)

vm: ## What the box cannot show, in virtual machines: limits and a fork bomb; a newer systemd (DEB, or what `make deb` makes)
	$(if $(DEB),,$(MAKE) deb)
	tests/support/vm $(or $(DEB),../supervisor_*.deb) limits
	tests/support/vm $(or $(DEB),../supervisor_*.deb) notify-reload trixie

deb: ## Build the Debian package, beside this directory (needs debhelper)
	dpkg-buildpackage -us -uc -b $(deb_profile)
