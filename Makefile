# Every word of this file is printed by `make`.
SHELL := /bin/bash
.DEFAULT_GOAL := help

BIN     ?= bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X github.com/dstackai/dstack-planner/internal/version.version=$(VERSION)
TOOL    := go tool -modfile=internal/tools.mod
FUZZTIME ?= 30s
CHECKS  ?= 1000

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' Makefile

build: ## build bin/dstack, bin/dstack-agent and the providers
	@mkdir -p $(BIN)
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/...

agents: ## build bin/dstack-agent-linux-*, which dstack sends to hosts over SSH
	@mkdir -p $(BIN)
	for arch in amd64 arm64; do \
	  GOOS=linux GOARCH=$$arch CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/dstack-agent-linux-$$arch ./cmd/dstack-agent || exit 1; \
	done

demo: build ## plan, apply, use and destroy examples/quickstart in a temporary folder
	BIN=$(abspath $(BIN)) scripts/demo.sh

test: ## all tests
	go test ./...

test-real: ## the tests with a Docker Engine, which it installs (root on Debian)
	scripts/test-real.sh

race: ## the tests with the race detector, those of size left out or made smaller (needs a C compiler)
	CGO_ENABLED=1 go test -race -short ./...

lint: ## vet, staticcheck, format
	go vet ./...
	$(TOOL) staticcheck ./...
	@out=$$(gofmt -l $$(git ls-files '*.go' | grep -v '\.pb\.go$$')); test -z "$$out" || { echo "gofmt would change:"; echo "$$out"; exit 1; }

cross: ## build and vet for Linux and macOS, amd64 and arm64
	@for os in linux darwin; do for arch in amd64 arm64; do \
	  echo "$$os/$$arch"; GOOS=$$os GOARCH=$$arch CGO_ENABLED=0 go vet ./... && \
	  GOOS=$$os GOARCH=$$arch CGO_ENABLED=0 go build -o /dev/null ./cmd/dstack && \
	  GOOS=$$os GOARCH=$$arch CGO_ENABLED=0 go build -o /dev/null ./cmd/dstack-agent && \
	  GOOS=$$os GOARCH=$$arch CGO_ENABLED=0 go build -o /dev/null ./cmd/dstack-provider-local || exit 1; \
	done; done

generate: ## make generated code anew
	scripts/generate.sh

golden: ## rewrite golden files; read the diff afterwards
	go test $$(git grep -lE 'internal/golden"|flag.Bool\("update"' -- '*_test.go' | xargs -n1 dirname | sort -u | sed 's|^|./|') -update

fuzz: ## run every fuzz target for FUZZTIME
	scripts/fuzz.sh $(FUZZTIME)

search: ## look at every property with CHECKS new draws instead of the same ones
	go test $$(git grep -l 'law.Check(' -- 'planner/*_test.go' 'providers/*_test.go' | xargs -n1 dirname | sort -u | sed 's|^|./|') -rapid.checks $(CHECKS) -timeout 0

chaos: ## kill the CLI and providers at random moments of an apply, 50 times each; kill the agent 100 times; print 1 GB into a log
	CHAOS_RUNS=50 go test ./cmd/dstack -run TestChaos -count=1 -timeout 60m -v
	AGENT_KILLS=100 go test ./agent -run TestAgentIsKilledAtRandom -count=1 -timeout 30m -v
	AGENT_FLOOD_BYTES=1000000000 go test ./agent -run TestFlood -count=1 -timeout 30m -v

bench: ## benchmarks of load, plan, apply and state at 100, 1,000 and 10,000 resources
	go test ./... -run '^$$' -bench . -benchmem

bench-peers: build ## compare with terraform and tofu, when they are on the PATH
	BIN=$(abspath $(BIN)) go run ./scripts/benchpeers

cover: ## coverage of all packages
	go test ./... -coverprofile=coverage.txt -coverpkg=./...
	go tool cover -func=coverage.txt | tail -1

tidy: ## check that go.mod is tidy
	go mod tidy -diff

check: lint tidy test race cross ## what a submission must pass

.PHONY: help build agents demo test test-real race lint cross generate golden fuzz search chaos bench bench-peers cover tidy check
