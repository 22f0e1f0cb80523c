# Two commands do everything: make demo, make test.
GO      ?= go
BIN     := bin/crossfade
# What the tests start. Debian's names; other systems: see README.
NEEDED  := redis-server:redis-server memcached:memcached php:php-cli node:nodejs nutcracker:nutcracker haproxy:haproxy mariadbd:mariadb-server rsync:rsync prometheus:prometheus promtool:prometheus chromium:chromium zsh:zsh fish:fish
# Python's own session clients: as modules of Debian's Python.
PY_MODULES := pymemcache:python3-pymemcache redis:python3-redis
PHP_EXT := memcached:php-memcached memcache:php-memcache redis:php-redis pdo_mysql:php-mysql
# Without it each binary with the race detector sleeps a second before it ends.
export GORACE := atexit_sleep_ms=50

.PHONY: static deb build demo test test-all test-walk test-proxied test-php test-story test-planted test-pair test-clients screenshots lint bench bench-proxy deps deps-clients clean

build: $(BIN)

.PHONY: $(BIN)
$(BIN):
	$(GO) build -trimpath -o $(BIN) ./cmd/crossfade

# The same without C, for packages and containers.
static:
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/static/crossfade ./cmd/crossfade

# bin/crossfade_*.deb. The packager is run at its version, from the module
# proxy, and is no dependency of ours.
NFPM        := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0
DEB_VERSION ?= 0.0.0+$(shell git rev-parse --short=12 HEAD 2>/dev/null || echo local)
DEB_TARGET  ?= bin/
deb: static
	rm -rf bin/man bin/completions && mkdir -p bin/completions && bin/static/crossfade man bin/man
	for s in bash zsh fish; do bin/static/crossfade completion $$s > bin/completions/crossfade.$$s || exit 1; done
	DEB_VERSION=$(DEB_VERSION) DEB_ARCH=$$($(GO) env GOARCH) $(GO) run $(NFPM) pkg --config cmd/crossfade/dist/nfpm.yaml --packager deb --target $(DEB_TARGET)

# A whole migration on this machine, on embedded stores, under live traffic.
demo: $(BIN)
	./$(BIN) demo

# Everything that guards the promises, with real servers and the race detector.
# The walk, the cost of a decision and allocations are measured without it. Three
# packages at a time: they wait, for servers and deadlines, more than they work.
test: deps
	$(GO) vet ./...
	$(GO) vet -tags brokenrules ./darklaunch/...
	$(GO) test -timeout 300s ./darklaunch/walk ./darklaunch/prove ./darklaunch/flags
	$(GO) test -timeout 300s -run Allocations ./frontends/memcached ./frontends/redis ./cmd/crossfade/agent
	$(GO) test -timeout 300s -tags brokenrules -run 'BrokenRules|KeptRules|TwoMove' ./darklaunch/walk
	$(GO) test -race -p 3 -timeout 600s $$($(GO) list ./... | grep -Ev '/darklaunch/(walk|prove)$$')

# The long runs, by area.
test-all: test test-walk test-php test-story test-planted test-pair test-proxied test-clients test-faults

test-walk:
	CROSSFADE_DEEP=1 $(GO) test -timeout 80m -run Deep -v ./darklaunch/walk

test-php: deps $(BIN)
	CROSSFADE_LONG=1 $(GO) test -race -timeout 30m -run "PHP|Sticky|Shop|Tuesday|Neighbours|LateUnlock" -v ./cmd/crossfade/...

# Every session client that docs/clients.md names, at every position, over each
# kind of store.
test-clients: deps deps-clients
	CROSSFADE_LONG=1 $(GO) test -race -count=1 -timeout 40m -run 'Clients|Matrix' -v ./cmd/crossfade/clientstest

# The whole story: a fleet on real servers, a thousand users, one fault after
# another in each stage, rollbacks from every position.
test-story: deps
	CROSSFADE_LONG=1 $(GO) test -count=1 -timeout 60m -v ./cmd/crossfade/storytest

# On real servers: a thousand planted differences of each class, all found, and
# none else; and what a server does for who asks.
test-planted:
	CROSSFADE_LONG=1 $(GO) test -race -count=1 -timeout 20m -run 'Planted|RealServers' -v ./migrate ./migrate/control

# A replicated memcached pair: each fault on each member, twenty times over.
test-pair: deps
	CROSSFADE_LONG=1 $(GO) test -race -count=1 -timeout 20m -v ./cmd/crossfade/pairtest

# Redis behind a real twemproxy, while its server is broken.
test-proxied: deps
	CROSSFADE_LONG=1 $(GO) test -race -count=1 -timeout 10m -run Proxied -v ./backends/redis

test-faults: $(BIN)
	./$(BIN) demo --break new
	./$(BIN) demo --break old
	./$(BIN) demo --real
	./$(BIN) demo --real --break new
	! ./$(BIN) demo --naive

# The pictures of docs/console.md, anew.
screenshots: deps
	CROSSFADE_SCREENSHOTS=1 $(GO) test -count=1 -run Screenshots -v ./cmd/crossfade/consoletest

lint:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) mod verify >/dev/null
	@$(GO) mod tidy -diff >/dev/null || { echo "go.mod is not tidy: go mod tidy"; exit 1; }
	$(GO) test -count=1 -run 'House|Imports|Package|Comment|Names|Paths' .

bench: $(BIN)
	$(GO) test -run XXX -bench . -benchtime 200ms ./darklaunch/flags ./darklaunch

# The agent beside twemproxy and beside itself, as ratios: one run of some three
# minutes; BENCH="-only off -pairs 3 -long 300ms" is shorter.
BENCH ?=
bench-proxy: deps $(BIN)
	$(GO) run ./cmd/crossfade/proxybench -bin $(BIN) $(BENCH)

# The end of a recipe that has put names of packages into $$missing.
define INSTALL
if [ -n "$$missing" ]; then \
		if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
			echo "installing:$$missing"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
		else echo "the tests need:$$missing (Debian's names): install them, or run make test as root on Debian"; exit 1; fi; \
	fi
endef

# What the tests need, through the system's package manager where there is one.
deps:
	@missing=""; [ -e /usr/lib/galera/libgalera_smm.so ] || missing=" galera-4"; \
	[ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ] || missing="$$missing fonts-dejavu-core"; \
	[ -e /usr/share/php/Symfony/Component/HttpFoundation/autoload.php ] || missing="$$missing php-symfony-http-foundation"; \
	for n in $(NEEDED); do command -v $${n%%:*} >/dev/null || [ -x /usr/sbin/$${n%%:*} ] || missing="$$missing $${n##*:}"; done; \
	if command -v php >/dev/null; then for e in $(PHP_EXT); do php -m | grep -qx $${e%%:*} || missing="$$missing $${e##*:}"; done; \
	else missing="$$missing php-memcached php-memcache php-redis php-mysql"; fi; \
	for m in $(PY_MODULES); do /usr/bin/python3 -c "import $${m%%:*}" 2>/dev/null || missing="$$missing $${m##*:}"; done; \
	$(INSTALL)

# What test-clients needs besides: frameworks, Ruby, and the Node clients of one
# lock file, in the user's cache folder.
CLIENT_PACKAGES := php-illuminate-session php-illuminate-cache php-illuminate-redis python3-django python3-django-redis ruby ruby-redis-rack ruby-dalli ruby-rack ruby-connection-pool
NODE_LOCK       := cmd/crossfade/clientstest/testdata/node
NODE_CLIENTS    := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/crossfade-clientstest
deps-clients:
	@missing=""; for p in $(CLIENT_PACKAGES); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	for n in node:nodejs npm:npm; do command -v $${n%%:*} >/dev/null || missing="$$missing $${n##*:}"; done; \
	$(INSTALL)
	@cmp -s $(NODE_LOCK)/package-lock.json $(NODE_CLIENTS)/installed.json || { mkdir -p $(NODE_CLIENTS) && \
		cp $(NODE_LOCK)/package.json $(NODE_LOCK)/package-lock.json $(NODE_CLIENTS)/ && \
		(cd $(NODE_CLIENTS) && npm ci --no-audit --no-fund) && cp $(NODE_LOCK)/package-lock.json $(NODE_CLIENTS)/installed.json; }

clean:
	rm -rf bin
