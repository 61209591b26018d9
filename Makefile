# The entry points for people. `make help` lists them; the work is in .ci, tests/scripts and cargo.

.DEFAULT_GOAL := help
.PHONY: help setup build man test demo bench bench-peers kill crash flips attack properties sim fuzz audit

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install missing build requirements
	@.ci/setup

build: setup ## the `chuan` binary, release, without symbols; they are in chuan.debug beside it
	@. .ci/env && cargo build --release --locked -p chuan-cli && .ci/split "$$CHUAN_TARGET/release/chuan" && \
		echo "$$CHUAN_TARGET/release/chuan"

man: build ## the manual pages, in target/man
	@. .ci/env && "$$CHUAN_TARGET/release/chuan" man "$$CHUAN_TARGET/man" && echo "$$CHUAN_TARGET/man"

test: setup ## format, lints, documentation, all tests: under 45 minutes from nothing on two cores
	@.ci/test

demo: ## publish, pull, edit, pull again, restore, compare; MEDIA=DIR takes your own films
	@.ci/setup demo
	@tests/scripts/demo

bench: setup ## every figure beside its reference, or BENCH=system, small, link, diff, edits, large; BENCH_BYTES=2G, BENCH_RUNS=5, BENCH_DIR=DIR
	@. .ci/env && cargo build --release --locked -p chuan-cli -p chuan-benches && "$$CHUAN_TARGET/release/bench" $(BENCH)

bench-peers: ## Chuan beside rsync, restic, borg, casync, sendme and ffsync; PEERS_BYTES=2G, PEERS_RUNS=3, PEERS_README=on
	@.ci/setup peers
	@. .ci/env && cargo build --release --locked -p chuan-cli -p chuan-benches && \
		PEERS_OUT="$${PEERS_OUT:-benches/results/$$(date +%F).md}" "$$CHUAN_TARGET/release/peers"

kill: setup ## kill -9 of publisher, puller and server at 50 random moments of a 1 GB job
	@. .ci/env && cargo build --release --locked -p chuan-cli -p chuan-tests && "$$CHUAN_TARGET/release/kill"

crash: setup ## faults at every call that changes a home: CRASH_SHARD=1/4, CRASH_SECONDS=300, CRASH_POINTS=publish:power:17; resumable
	@. .ci/env && cargo build --release --locked -p chuan-cli -p chuan-tests && "$$CHUAN_TARGET/release/crash"

flips: setup ## a flipped bit at 1,000 offsets of a home: no difference, or an error and a rebuild
	@. .ci/env && cargo build --release --locked -p chuan-cli -p chuan-tests && "$$CHUAN_TARGET/release/flips"

attack: setup ## an honest pull alone and beside 64 hostile peers: times, ratio, the counters of the node
	@. .ci/env && cargo build --release --locked -p chuan-cli -p chuan-tests && "$$CHUAN_TARGET/release/attack"

properties: setup ## the unit and property tests, with cases from a new seed; PROPTEST_RNG_SEED=7 to repeat one
	@. .ci/env && cargo build --workspace --bins --tests --locked && \
		export PROPTEST_RNG_SEED="$${PROPTEST_RNG_SEED:-$$(date +%s)}" && echo "PROPTEST_RNG_SEED=$$PROPTEST_RNG_SEED" && \
		cargo test --workspace --lib --locked -- --skip sim::

sim: setup ## nodes in virtual time: SEEDS=10000 of each scenario, or SEED=17 to replay one
	@. .ci/env && cargo build --workspace --bins --tests --locked && \
		SIM_SEEDS="$${SEEDS:-10000}" SIM_SEED="$${SEED:-}" \
		cargo test --workspace --lib --locked -- --nocapture sim::tests::every

fuzz: setup ## every fuzz target for FUZZ_SECONDS=60, from the committed corpora
	@tests/scripts/fuzz

audit: setup ## licences, sources, crate boundaries, advisories
	@tests/scripts/audit
