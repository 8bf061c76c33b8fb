# The only door to the project: `make` lists what it can do.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The tests start hundreds of Pythons: each would compile what no other may keep for it.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
# The newest CPython from 3.11 on that runs, pyenv's included; `make PYTHON=python3.12 setup` chooses another.
PYTHON ?= $(shell for candidate in $(wildcard $(HOME)/.pyenv/versions/3.*/bin/python3) \
	python3.14 python3.13 python3.12 python3.11 python3; do \
	$$candidate -c 'import sys, venv, ensurepip; print(*sys.version_info[:2], sys.executable) if sys.version_info >= (3, 11) else 0' 2>/dev/null || true; \
	done | sort -k1,1nr -k2,2nr -s | head -n 1 | cut -d ' ' -f 3)
# `make test-python PYTHON=3.11` names a version, not the program that makes .venv.
VERSIONS := $(filter 3.%,$(PYTHON))
MAKE_VENV = $(if $(VERSIONS),python$(PYTHON),$(PYTHON))
UP ?= examples/support-agent
PACKAGES := omnia_core omnia_rpc omnia_operator omnia_history omnia_facade omnia_runtime omnia_cli omnia_runner omnia_tools
CODE := $(PACKAGES) docs/site release tests examples benchmarks
NODE_CLIENT := tests/clients/node/node_modules/.package-lock.json
CONSOLE := omnia_facade/console/source
NODE_CONSOLE := $(CONSOLE)/node_modules/.package-lock.json
NODE_DOCS := tests/docs/node/node_modules/.package-lock.json
NODE_SERVERS := tests/servers/node/node_modules/.package-lock.json
NODE_PROTOCOLS := tests/clients/protocols/node_modules/.package-lock.json
# Servers of other projects, each group in an environment of its own: their dependencies differ from ours.
SERVERS := mcp litellm llama
VENV_SERVERS := .venv-servers
# The generator of the site, apart too: nothing of it is part of developing.
VENV_DOCS := .venv-docs
PROTOS := omnia_core/wire/a2a/v1/a2a.proto omnia_core/wire/runtime/v1/runtime.proto omnia_core/wire/tools/v1/tools.proto

.PHONY: help setup up servers-mcp servers-litellm servers-llama servers-mongo test test-servers test-mongo test-grpcio test-python test-properties test-load soak serve-tck mutants lint format crds protos reference console requirements bench bench-footprint bench-providers bench-tracing bench-evals bench-sqlite bench-history bench-hop bench-console bench-relay docs pictures sbom release pin-base clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

# $(1): a requirement file. Shows each package as it comes, because a first set-up takes a while; some
# awks wait for 4 KB of input.
define install
	@test -n "$(PYTHON)" || { echo "No CPython 3.11 or newer with venv found: install one, or name it with PYTHON=" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "Making $(VENV) with $$($(MAKE_VENV) --version)"; $(MAKE_VENV) -m venv $(VENV); }
	@echo "Installing $(1), which takes about a minute"
	@PYTHONUNBUFFERED=1 $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --require-hashes -r $(1) \
		| while IFS= read -r line; do case "$$line" in \
			*Collecting\ *|*Downloading\ *|Installing\ *) echo "$${line:0:100}" ;; esac; done
endef

$(VENV)/local.stamp: requirements/local.txt
	$(call install,requirements/local.txt)
	@touch $@

# The project itself, again when its metadata has changed.
$(VENV)/project.stamp: pyproject.toml | $(VENV)/local.stamp
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q $(PACKAGES)
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt | $(VENV)/project.stamp
	$(call install,requirements/dev.txt)
	@touch $@

# llama.cpp without multimedia and without optimization: its tests have a model of 300 kB, and wait for the compiler.
$(VENV_SERVERS)/llama/installed.stamp: export CMAKE_ARGS = -DLLAVA_BUILD=OFF \
	-DCMAKE_C_FLAGS_RELEASE=-O1 -DCMAKE_CXX_FLAGS_RELEASE=-O0

# uv loads packages side by side: seconds in place of minutes. Where only pip knows an index, pip installs them.
$(VENV_SERVERS)/%/installed.stamp: requirements/servers-%.txt | $(VENV)/dev.stamp
	@echo "Installing $< into $(@D)"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	@if $(BIN)/uv pip install --quiet --require-hashes --python $(@D) -r $< \
		|| $(BIN)/python -m pip --python $(@D) install --quiet --require-hashes -r $<; then touch $@; \
	else echo "$< cannot be installed here: the tests with these servers will be skipped"; fi

servers-mcp: $(NODE_SERVERS) $(VENV_SERVERS)/mcp/installed.stamp ## install the MCP servers of other projects for the tests
servers-litellm: $(VENV_SERVERS)/litellm/installed.stamp ## install LiteLLM's proxy for the tests
servers-llama: $(VENV_SERVERS)/llama/installed.stamp ## build llama-cpp-python for the tests (minutes; cmake, cc, c++)
servers-mongo: $(VENV_SERVERS)/mongo/mongo-for-tests ## build a server of MongoDB's protocol for the tests (minutes; go)

$(VENV_SERVERS)/mongo/mongo-for-tests: $(wildcard tests/mongo/*.go tests/mongo/go.*)
	@echo "Building $(@F)"
	@mkdir -p $(@D)
	@cd tests/mongo && go build -trimpath -o $(CURDIR)/$@ .

setup: $(VENV)/local.stamp $(VENV)/project.stamp $(VENV)/dev.stamp ## make .venv with everything that running and developing need

up: $(VENV)/local.stamp $(VENV)/project.stamp ## run an example on this machine (UP=examples/hello-agent chooses another)
	@exec $(BIN)/omnia up -f $(UP)

test: setup $(NODE_CLIENT) $(NODE_CONSOLE) $(NODE_PROTOCOLS) $(NODE_DOCS) $(VENV_DOCS)/stamp servers-mcp ## run every test that needs neither root nor a cluster
	@$(BIN)/python -m pytest $(ARGS)

# The suites in which facade and runtime, or a test in place of one of them, speak over the wire.
WIRE := tests/end_to_end \
	$(patsubst %,tests/facade/test_%.py,calls drain endpoint function_calls kept_answers program \
		protocol_endings protocol_turns runtime_client slow_clients voice) \
	$(patsubst %,tests/runtime/test_%.py,cancel client_tools program service sessions)

test-witnesses: setup $(NODE_CLIENT) $(NODE_PROTOCOLS) ## the doors, with the clients of others from npm and PyPI
	@$(BIN)/python -m pytest tests/facade/doors tests/core/test_ui_messages.py --numprocesses=0 $(ARGS)

MODEL_SERVERS ?= litellm llama
test-servers: setup $(addprefix servers-,$(MODEL_SERVERS)) ## model servers of other projects (MODEL_SERVERS=litellm: without the build of llama.cpp)
	@$(BIN)/python -m pytest $(patsubst %,tests/servers/test_%.py,$(MODEL_SERVERS)) -m servers --numprocesses=0 --timeout=300 $(ARGS)

# The suites that use MongoDB; a test has it in its name or its parameters.
MONGO := tests/core tests/history tests/end_to_end/test_sessions.py \
	$(patsubst %,tests/facade/test_%.py,cancel_anywhere kept_answers replies) \
	$(patsubst %,tests/facade/doors/test_%.py,a2a_pods pods) \
	$(patsubst %,tests/runtime/test_%.py,checkpoints retention)

MONGO_BACKENDS ?= sqlite postgres
test-mongo: setup servers-mongo ## the tests with MongoDB, whose server keeps its data in SQLite and then in PostgreSQL
	@for backend in $(MONGO_BACKENDS); do echo "MongoDB over $$backend"; \
		MONGO_BACKEND=$$backend $(BIN)/python -m pytest $(MONGO) -k mongo $(ARGS) || exit; done

test-python: setup ## the wheels in a clean environment of another CPython (PYTHON=3.11; without it the oldest and the newest here)
	@$(BIN)/python -m tests.wheel $(VERSIONS)

test-grpcio: setup ## the suites that speak over the wire, with grpcio as the transport of every program
	@TRANSPORT=grpcio $(BIN)/python -m pytest $(WIRE) $(ARGS)

test-properties: setup ## the tests that draw their examples, with 400 in place of 25
	@$(BIN)/python -m pytest -m "hypothesis and not load and not soak and not servers" --hypothesis-profile=many $(ARGS)

test-load: setup ## a minute of load on one core, a minute of broken frames, other HTTP/2 and gRPC (ARGS)
	@$(BIN)/python -m pytest -m load --numprocesses=0 $(ARGS)

soak: setup $(NODE_CLIENT) ## what takes ten minutes each: load, noise, documents, silence, outages (ARGS="-k noise" SOAK_SECONDS=60)
	@$(BIN)/python -m pytest -m soak --numprocesses=0 --timeout=1800 $(ARGS)

serve-tck: setup ## serve the agent that the conformance kit of A2A asks for, and print its address (PORT=8080)
	@$(BIN)/python -m tests.facade.doors.tck $(PORT)

mutants: setup ## which small faults in AREA no test notices (AREA="queue same"; ARGS="--sample 40 --seed 7")
	@$(BIN)/python -m tests.mutants $(AREA) $(ARGS)

lint: setup ## format check, lint, types, import contracts
	@echo "ruff format"; $(BIN)/ruff format --check $(CODE)
	@echo "ruff check"; $(BIN)/ruff check $(CODE)
	@echo "mypy"; $(BIN)/mypy
	@echo "lint-imports"; $(BIN)/lint-imports

format: setup ## format and mend what lint can mend
	@$(BIN)/ruff check --fix --quiet $(CODE) || true
	@$(BIN)/ruff format $(CODE)

crds: setup ## write crds/*.yaml, the reference tables, the chart's README and the page of the command line
	@$(BIN)/python -m omnia_operator.api.crd
	@mkdir -p charts/omnia/files/crds && cp crds/*.yaml charts/omnia/files/crds/
	@$(BIN)/python -m omnia_operator.api.chart
	@$(BIN)/python -m omnia_core.env.reference
	@$(BIN)/python -m docs.site.command_line

# The virtual folder omnia_core/wire makes the generated modules import each other by their real names.
protos: setup ## write the gRPC stubs of omnia_core/wire from protos/
	@$(BIN)/python -m grpc_tools.protoc -Iomnia_core/wire=protos/omnia --python_out=. --pyi_out=. --grpc_python_out=. $(PROTOS)

console: $(NODE_CONSOLE) ## write the pages in omnia_facade/console from their source, as the tests expect them
	@npm run --silent --prefix $(CONSOLE) check
	@npm run --silent --prefix $(CONSOLE) build

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-package omnia-agents-slim $(LOCK_ARGS)
requirements: setup ## compile requirements/*.txt from pyproject.toml (LOCK_ARGS=--upgrade takes newer versions)
	@for image in facade operator; do echo $$image; $(LOCK) pyproject.toml --extra $$image -o requirements/$$image.txt; done
	@echo runtime; $(LOCK) pyproject.toml --extra runtime --extra tools -o requirements/runtime.txt
	@echo local; $(LOCK) pyproject.toml --extra cli --group install -o requirements/local.txt
	@echo sbom; $(LOCK) --group sbom -o requirements/sbom.txt
	@echo docs; $(LOCK) --group docs -o requirements/docs.txt
	@echo dev; $(LOCK) pyproject.toml --extra cli --extra operator --extra runner-mongodb --group install --group dev -c requirements/local.txt -o requirements/dev.txt
	@for group in $(SERVERS); do echo servers-$$group; $(LOCK) --group servers-$$group -o requirements/servers-$$group.txt; done
	@for folder in servers docs; do npm install --prefix tests/$$folder/node --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund --loglevel=error; done
	@npm install --prefix $(CONSOLE) --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund --loglevel=error

bench: setup ## every goal as a ratio from one run, beside relays in Go and C (ROUNDS=5; ARGS=--quick)
	@$(BIN)/python -m benchmarks --rounds $(or $(ROUNDS),5) $(ARGS)

bench-footprint: setup ## start-up time and memory of one facade and one runtime
	@$(BIN)/python -m benchmarks.footprint

bench-providers: setup ## CPU of a streamed answer of ten chunks, against aiohttp alone (ARGS=--help)
	@$(BIN)/python -m benchmarks.provider_stream $(ARGS)

bench-evals: setup ## CPU of ten evaluations after a turn, against the turn (ARGS=--help)
	@$(BIN)/python -m benchmarks.evals $(ARGS)

bench-doors: setup ## CPU of a streamed chunk at the chat door, against WebSocket (ARGS=--help)
	@$(BIN)/python -m benchmarks.door_chunk $(ARGS)

bench-hop: setup ## latency that a turn on the candidate of a rollout has more, against stable (ARGS=--help)
	@$(BIN)/python -m benchmarks.rollout_hop $(ARGS)

bench-console: setup ## long tasks of a browser while the console draws answers of 170 KB and hostile Markdown (chromium)
	@$(BIN)/python -m benchmarks.console_answers

bench-history: setup ## the history with 1,000,000 messages in PostgreSQL: query plans, and times of answers (ARGS=--help)
	@$(BIN)/python -m benchmarks.history $(ARGS)

bench-sqlite: setup ## CPU of a turn with sessions in an SQLite file, against memory (ARGS=--help)
	@$(BIN)/python -m benchmarks.session_file $(ARGS)

bench-tracing: setup ## CPU of a turn with metrics and tracing, against off (ARGS=--help)
	@$(BIN)/python -m benchmarks.tracing $(ARGS)

bench-relay: setup ## CPU and memory of a relayed chunk, beside relays in Go and C (ROUNDS=5; ARGS=--help)
	@$(BIN)/python -m benchmarks.relay --rounds $(or $(ROUNDS),5) $(ARGS)

$(VENV_DOCS)/stamp: requirements/docs.txt
	@test -x $(VENV_DOCS)/bin/python || $(PYTHON) -m venv $(VENV_DOCS)
	@echo "Installing $<"
	@$(VENV_DOCS)/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes -r $<
	@touch $@

DOCS ?= dist/docs
docs: $(VENV_DOCS)/stamp ## write the documentation as a site, which needs no server and no network (DOCS=dist/docs)
	@rm -rf $(DOCS)
	@$(VENV_DOCS)/bin/python -m sphinx --quiet --fail-on-warning --fresh-env --conf-dir docs/site --doctree-dir $(DOCS)/.doctrees . $(DOCS)
	@rm -rf $(DOCS)/.doctrees $(DOCS)/.buildinfo
	@echo "$(DOCS)/index.html"

pictures: setup $(NODE_DOCS) ## draw the Mermaid diagrams of the pages and the console into docs/site/pictures (chromium; ARGS=--all draws those that exist anew)
	@$(BIN)/python -m tests.docs.drawing $(ARGS)
	@$(BIN)/python -m tests.docs.console_pictures

SBOM := .venv-sbom
$(SBOM)/stamp: requirements/sbom.txt
	@test -x $(SBOM)/bin/python || $(MAKE_VENV) -m venv $(SBOM)
	@$(SBOM)/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes -r $<
	@touch $@

sbom: setup $(SBOM)/stamp ## write dist/sbom/IMAGE.cdx.json: what each image has beside its base, as CycloneDX
	@$(BIN)/python -m release.sbom

release: setup $(SBOM)/stamp ## build dist/VERSION: images, chart, wheel, checksums (VERSION=1.2.3; docs/how-to/release.md)
	@$(BIN)/python -m release "$(VERSION)" --registry="$(REGISTRY)" --platforms="$(PLATFORMS)" --base="$(BASE)" --commit="$(COMMIT)" --builder="$(BUILDER)"

PUBLIC_BASE := python:3.13-slim
pin-base: ## write today's digest of the base image into the Dockerfiles (needs docker and its registry)
	@digest=$$(docker buildx imagetools inspect $(PUBLIC_BASE) --format '{{.Manifest.Digest}}'); \
		[[ "$$digest" =~ ^sha256:[0-9a-f]{64}$$ ]] || { echo "docker printed no digest: $$digest" >&2; exit 1; }; \
		sed -i "s|^ARG BASE=.*|ARG BASE=$(PUBLIC_BASE)@$$digest|" Dockerfile.facade Dockerfile.runtime Dockerfile.operator; \
		echo "$(PUBLIC_BASE)@$$digest"

clean: ## remove .venv and what the tools left behind
	@rm -rf $(VENV) $(VENV_SERVERS) $(SBOM) $(VENV_DOCS) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache tests/*/node/node_modules tests/clients/protocols/node_modules $(CONSOLE)/node_modules benchmarks/out

$(NODE_CLIENT) $(NODE_CONSOLE) $(NODE_DOCS) $(NODE_SERVERS) $(NODE_PROTOCOLS): %/node_modules/.package-lock.json: %/package-lock.json
	@echo "Installing the packages of $*"
	@npm ci --prefix $* --no-audit --no-fund --loglevel=error \
		|| echo "npm cannot install the packages of $*: the tests with them will be skipped"

HARNESS = $(BIN)/python -m tests.cluster.harness

.PHONY: cluster-up cluster-down cluster-status kubeconfig kubectl helm images deploy test-cluster test-release bench-operator bench-waits

cluster-up: setup ## start a Kubernetes for the cluster tests (docs/how-to/cluster.md)
	@$(HARNESS) up

cluster-down: setup ## remove that Kubernetes and everything that it left
	@$(HARNESS) down

cluster-status: setup ## show what of that Kubernetes runs
	@$(HARNESS) status

kubeconfig: setup ## print the path of its kubeconfig (make -s kubeconfig)
	@$(HARNESS) kubeconfig

kubectl: setup ## print the path of its kubectl (make -s kubectl)
	@$(HARNESS) kubectl

helm: setup ## print the path of Helm, which is built if necessary (make -s helm)
	@$(HARNESS) helm

images: setup ## build the three images and print their sizes
	@$(HARNESS) images

deploy: setup ## bring the images and the chart into the cluster
	@$(HARNESS) deploy

test-cluster: setup ## cluster-up, images, deploy, and the tests on that cluster
	@$(HARNESS) prepare
	@CLUSTER_TESTS=true $(BIN)/python -m pytest tests/cluster $(addprefix --ignore=,$(RELEASE_TESTS)) --numprocesses=2 --dist=loadfile $(ARGS)

# They build the images of several commits, each in minutes.
RELEASE_TESTS := $(patsubst %,tests/cluster/test_%.py,release upgrade)
test-release: setup ## cluster-up, and the tests that build releases, push, install, upgrade and roll back
	@$(HARNESS) prepare
	@CLUSTER_TESTS=true $(BIN)/python -m pytest $(RELEASE_TESTS) --numprocesses=0 $(ARGS)

bench-operator: cluster-up ## 500 agents on the cluster: pace, memory, idle CPU, what a change costs (ARGS=100: fewer)
	@$(BIN)/python -m benchmarks.operator_agents $(ARGS)

bench-waits: setup ## seconds from a command to what a person waits for, on a cluster with Omnia in it (ARGS=--help)
	@$(BIN)/python -m benchmarks.operator_waits $(ARGS)
