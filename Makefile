# Two commands do everything: `make demo` and `make test`. Both install what they need, outside this checkout.
# With KUBECONFIG set they use that cluster instead of the local node; see README for how images reach it.

SHELL := /bin/bash
CACHE := $(or $(QUANTUMJOB_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/quantumjob)
VENV := $(CACHE)/venv-$(shell cat requirements/dev.txt requirements/qsim.txt | sha256sum | cut -c1-12)
BIN := $(VENV)/bin
SOURCES := contract operator worker api client hack tests benchmarks examples
COVERED := quantumjob quantumjob_api quantumjob_contract quantumjob_operator quantumjob_worker
PYTEST := python -m pytest --hypothesis-profile=ci --durations=20
export PYTHONPATH := contract:operator:worker:api:client:tests:hack
export PATH := $(BIN):$(PATH):$(CACHE)/bin

.DEFAULT_GOAL := help

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/.ready:
	@hack/venv $(VENV)

venv: $(BIN)/.ready ## Print the folder of the Python environment
	@echo $(VENV)

demo: ## Bring up what is missing, run the examples, show their results
	@hack/quickstart --venv $(VENV)
	@hack/demo

test: check unit store cluster ## Every behaviour once: linters, unit, store and cluster tests

check: $(BIN)/.ready ## Types, style, layers
	ruff check $(SOURCES)
	ruff format --check $(SOURCES)
	mypy contract operator worker api client hack/localnode hack/cluster.py hack/api_client.py hack/locks.py tests/fuzz
	lint-imports
	hack/vocabulary

unit: $(BIN)/.ready ## Unit tests: no services; prints the coverage
	$(PYTEST) --numprocesses auto --dist worksteal $(addprefix --cov=,$(COVERED)) --cov-report=term:skip-covered tests/unit

store: $(BIN)/.ready ## Store tests: a real S3 server, started by the tests
	$(PYTEST) --numprocesses 2 -m "not long" tests/store

quickstart: $(BIN)/.ready ## Bring up what is missing and install the quickstart of this checkout
	hack/quickstart

cluster: quickstart ## Cluster tests: a real Kubernetes
	$(PYTEST) --numprocesses 2 --dist worksteal -m "not long and not disruptive" tests/cluster
	$(PYTEST) -m "not long and disruptive" tests/cluster

test-long: $(BIN)/.ready ## The long tests of all tiers, the corpus, and the fuzzer for a minute each; see docs/testing.md
	$(PYTEST) --numprocesses auto --hypothesis-profile=long -m "long or hypothesis" tests/unit
	$(PYTEST) -m long tests/store
	$(MAKE) quickstart
	$(PYTEST) -m long tests/cluster
	$(MAKE) corpus
	$(MAKE) fuzz SECONDS=$(or $(SECONDS),60)

corpus: $(BIN)/.ready ## MQT Bench through the worker, against exact distributions; writes docs/corpus.md
	@pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/corpus.txt
	python tests/corpus/run.py

pictures: $(BIN)/.ready ## Run examples/notebooks in a pod; writes docs/pictures
	hack/quickstart
	QUANTUMJOB_TEST_PICTURES=docs/pictures python -m pytest -m long tests/cluster/test_notebooks.py

fuzz: $(BIN)/.ready ## Mutated input for each loader, SECONDS=300 each; SEED=n the same again; REPLAY=file one case
	python -m fuzz --seconds $(or $(SECONDS),300) $(if $(SEED),--seed $(SEED)) $(REPLAY)

bench: $(BIN)/.ready ## Measure, and write docs/benchmarks.md
	hack/quickstart
	python -m benchmarks

lock: $(BIN)/.ready ## Resolve the packages of setup.cfg to requirements/, with hashes
	UV_CACHE_DIR=$(CACHE)/uv python hack/locks.py

images: $(BIN)/.ready ## Build the images
	hack/images build

clean-node: ## Take the local node away, with all that it installed and cached
	hack/node purge
	rm -rf $(CACHE)

.PHONY: help venv demo test check unit store cluster quickstart test-long corpus pictures fuzz bench lock images clean-node
