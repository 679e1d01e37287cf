# Sallyport. `make help` lists what there is.

GO      ?= go
TIMEOUT ?= 20m
FOR     ?= 10m
SPEC    ?=
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.DEFAULT_GOAL := help
.PHONY: help build demo test check fmt lint fresh vulnerable secrets bench soak verify-sim clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

build: ## bin/sallyport: static, stripped, reproducible
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/sallyport ./cmd/sallyport

demo: build ## a throw-away server with the PagerDuty simulator; tells the story
	bin/sallyport demo

test: ## every test with the race detector; sets up what it needs
	@.ci/setup
	$(GO) test -race -timeout $(TIMEOUT) ./...
	@echo "all tests passed"

check: fmt lint fresh secrets vulnerable test ## what must hold before a commit

fmt:
	@bad=$$(find . -name '*.go' -not -path './bin/*' -not -path '*/testdata/*' | xargs gofmt -l); \
	if [ -n "$$bad" ]; then echo "not gofmt-clean:"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags soak ./test/soak

lint: bin/golangci-lint
	bin/golangci-lint run ./...

# Modules of their own, so that the product does not depend on its tools. Two of them, as no
# one set of versions builds both.
bin/golangci-lint: tools/go.mod tools/go.sum
	@mkdir -p bin
	cd tools && $(GO) build -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

bin/govulncheck: tools/go.mod tools/go.sum
	@mkdir -p bin
	cd tools && $(GO) build -o ../bin/govulncheck golang.org/x/vuln/cmd/govulncheck

bin/gitleaks: tools/gitleaks/go.mod tools/gitleaks/go.sum
	@mkdir -p bin
	cd tools/gitleaks && $(GO) build -o ../../bin/gitleaks github.com/zricethezav/gitleaks/v8

# Nothing that looks like a credential is committed. What is none stands in .gitleaks.toml.
secrets: bin/gitleaks
	@bin/gitleaks dir . --no-banner --no-color --redact --log-level warn --verbose || \
		{ echo "something looks like a credential: take it out, or say in .gitleaks.toml why it is none"; exit 1; }

# Known vulnerabilities that the code reaches. Without the database there is nothing to look for.
vulnerable: bin/govulncheck
	@said=$$(bin/govulncheck ./... 2>&1); status=$$?; \
	case "$$said" in \
	*"fetching vulnerabilities"*) echo "govulncheck: the vulnerability database cannot be reached, so known vulnerabilities were not looked for" ;; \
	*) echo "$$said"; exit $$status ;; \
	esac

# Generating again must change nothing.
fresh:
	@sums() { find . -name '*.go' -not -path './bin/*' | LC_ALL=C sort | xargs sha256sum; }; \
	before=$$(sums); $(GO) generate ./... || exit 1; after=$$(sums); \
	if [ "$$before" != "$$after" ]; then echo "generated code was stale; it is fresh now: look at the difference"; exit 1; fi

bench: ## the benchmarks, one JSON line per figure
	@mkdir -p bin
	@$(GO) build -o bin/bench ./bench >&2
	@bin/bench

soak: ## the benchmarks' load, and kills and broken disks (root, strace), for a long time: make soak FOR=1h
	@mkdir -p bin
	@$(GO) build -race -o bin/bench-race ./bench >&2
	@bin/bench-race -soak $(FOR)
	$(GO) test -tags soak -count=1 -timeout 0 -v ./test/soak -for $(FOR)

verify-sim: ## hold the simulator to PagerDuty's OpenAPI file: make verify-sim SPEC=openapiv3.json
	@[ -n "$(SPEC)" ] || { echo "say which description: make verify-sim SPEC=openapiv3.json" >&2; exit 2; }
	SALLYPORT_PAGERDUTY_SPEC="$(abspath $(SPEC))" $(GO) test -count=1 -tags verifysim -run OpenAPI ./internal/pagerduty/pdsim

clean: ## remove what was built
	rm -rf bin
