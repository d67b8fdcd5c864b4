# The targets are what .ci/run calls, in its order. "go run ./host/cmd/stagehouse run" and "go test ./..." need none of them.

GO ?= go
FUZZTIME ?= 10s
SWAPS ?= 100
KILLS ?= 20
RESTARTS ?= 3
CLIENTS ?= node,python
TEST_NGINX ?= /usr/sbin/nginx
BIN := bin

.PHONY: build tapped plugins test fmt vet race cross tools generate drift lint fuzz e2e-node client-js contract proxy browser swap bench node-extension python-extension node-runtime clean

build: ## the host, with the built-in extensions inside
	$(GO) build -trimpath -o $(BIN)/stagehouse ./host/cmd/stagehouse

plugins: ## the extensions as programs of their own
	$(GO) build -trimpath -o plugins/stagehouse-api ./extension/api/cmd/extension-api
	$(GO) build -trimpath -o plugins/ ./extension/*/cmd/stagehouse-*
	$(GO) build -trimpath -o plugins/stagehouse-hello ./examples/hello

test: ## everything; needs Go alone
	$(GO) test ./...

fmt: ## fails if a file is not formatted
	@files=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$files" || { echo "gofmt these:"; echo "$$files"; exit 1; }

vet:
	$(GO) vet ./...

race: ## what the detector can see: neither the processes of examples/e2e, nor those that the kits are held to (-short)
	$(GO) test -race -short $$($(GO) list ./... | grep -v '/examples/e2e$$')
	$(GO) test -race -run Client ./examples/e2e

cross: ## compiles for the other systems that are supported; not optimised, which is sooner done
	GOOS=darwin $(GO) build -gcflags='all=-N -l' ./...
	GOOS=windows $(GO) build -gcflags='all=-N -l' ./...

tools: ## the pinned developer tools; takes minutes the first time
	cd tools && for t in github.com/bufbuild/buf/cmd/buf google.golang.org/protobuf/cmd/protoc-gen-go \
	  google.golang.org/grpc/cmd/protoc-gen-go-grpc github.com/golangci/golangci-lint/v2/cmd/golangci-lint; do \
	  $(GO) build -o ../$(BIN)/ $$t || exit 1; done

generate: ## the protobuf code, with the tools in $(BIN) or on the PATH
	cd schema && PATH="$(CURDIR)/$(BIN):$$PATH" buf lint && PATH="$(CURDIR)/$(BIN):$$PATH" buf generate

drift: generate ## fails if the committed protobuf code is not what the .proto files make
	git diff --exit-code -- schema/gen

lint: ## with the golangci-lint in $(BIN) or on the PATH
	PATH="$(CURDIR)/$(BIN):$$PATH" golangci-lint run ./...

fuzz: ## every fuzz target for FUZZTIME, or so many times (5000x)
	@set -e; for pkg in $$(git grep -l '^func Fuzz' -- '*_test.go' | xargs -n1 dirname | sort -u); do \
	  for target in $$($(GO) test -list '^Fuzz' ./$$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) ./$$pkg; \
	  done; done

# The tests of clients in other languages have a tap in front of the server, which holds what is said against the contract.
TAPPED = $(CURDIR)/$(BIN)/tapped
BROKEN = $(CURDIR)/$(BIN)/contract-broken
tapped = CONTRACT_BROKEN=$(BROKEN) STAGEHOUSE=$(TAPPED) npm test && if test -e $(BROKEN); then cat $(BROKEN); exit 1; fi

tapped:
	$(GO) build -o $(TAPPED) ./examples/contract/tapped && rm -f $(BROKEN)

e2e-node: tapped ## the reference page from Node, with the ws package
	cd examples/e2e/node && npm ci --no-audit --no-fund && $(tapped)

client-js: tapped ## the JavaScript client library, against the program and against a server that misbehaves
	cd examples/client-js && npm ci --no-audit --no-fund && npm run check && $(tapped)

contract: export REDOCLY_SUPPRESS_UPDATE_NOTICE = true
contract: tapped ## the published contract: its lints, and a client generated from it against the program
	cd examples/contract && npm ci --no-audit --no-fund --ignore-scripts && npm run lint && $(tapped)

node-extension: build ## the extension in TypeScript, held to the contract and under the program
	cd examples/node-extension && npm ci --no-audit --no-fund --ignore-scripts && npm run build
	$(BIN)/stagehouse conform extension examples/node-extension/build/stagehouse-desk.cjs --config '{"address": "127.0.0.1:0"}'
	TEST_NODE_EXTENSION=$(CURDIR)/examples/node-extension/build/stagehouse-desk.cjs \
	  TEST_NODE_PROBE=$(CURDIR)/examples/node-extension/build/stagehouse-probe.cjs \
	  $(GO) test -count=1 -run 'Foreign|Desk|Probe' ./examples/e2e

node-runtime: build ## the runtime in TypeScript, held to the contract and under the program
	cd examples/node-extension && npm ci --no-audit --no-fund --ignore-scripts && npm run generate
	cd examples/node-runtime && npm run build
	$(BIN)/stagehouse conform runtime examples/node-runtime/build/stagehouse-parrots.cjs --config examples/node-runtime/conform.json \
	  --without agents.Create,agents.Update,agents.Delete,chat.CreateConversation,chat.UpdateConversation,chat.DeleteConversation,lasting
	TEST_NODE_RUNTIME=$(CURDIR)/examples/node-runtime/build/stagehouse-parrots.cjs $(GO) test -count=1 -run Parrots ./examples/e2e

python-extension: build ## the extension in Python, held to the contract and under the program; needs Debian's python3-grpcio, python3-cryptography and protoc
	examples/python-extension/build.sh
	$(BIN)/stagehouse conform extension examples/python-extension/build/stagehouse-board.pyz --config '{"address": "127.0.0.1:0"}'
	TEST_PYTHON_EXTENSION=$(CURDIR)/examples/python-extension/build/stagehouse-board.pyz $(GO) test -count=1 -run Foreign ./examples/e2e

proxy: ## streams, sockets and swaps behind an nginx that the tests start with a configuration of their own
	@test -x $(TEST_NGINX) || { echo "there is no $(TEST_NGINX): apt-get install nginx-light, or set TEST_NGINX to the path of one"; exit 1; }
	TEST_NGINX=$(TEST_NGINX) $(GO) test -count=1 -run Nginx ./examples/e2e

browser: tapped ## what browsers do with the API, in headless Chromium; needs nginx, too
	cd examples/browser && npm ci --no-audit --no-fund && TEST_NGINX=$(TEST_NGINX) $(tapped)

swap: build ## replaces, kills and restarts the program under load, and counts what clients see of it; needs Node and Python
	cd examples/client-js && npm ci --no-audit --no-fund
	$(GO) run ./examples/swap -program $(BIN)/stagehouse -swaps $(SWAPS) -kills $(KILLS) -restarts $(RESTARTS) -clients $(CLIENTS)

bench: ## ratios against named baselines
	$(GO) test -run '^$$' -bench . -benchtime 1s ./...

clean:
	rm -rf $(BIN) plugins examples/*/node_modules examples/e2e/node/node_modules examples/*/build examples/contract/src/api.ts
