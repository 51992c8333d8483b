.PHONY: build test builds times bench trust packages lint fuzz soak

build:
	CGO_ENABLED=0 go build -trimpath -o cachex ./cmd/cachex

test:
	go test -race ./...

# Real builds against real registries: cold, warm and offline; and with locks.
builds: build
	go run ./testdata/builds -cachex ./cachex
	go run ./testdata/builds -cachex ./cachex -lock apt cargo curl git go npm pip

# How long they take, with cachex and without, and with the clients' own caches.
times: build
	go run ./testdata/builds -cachex ./cachex -time 3 -o testdata/builds/TIMES.md npm pip go cargo mvn

# Beside nginx, Squid and mitmproxy, as root, for half an hour; BENCH='-quick' takes a few
# minutes, BENCH='-run "hit 1 KiB"' less. The tables and the picture are for the README.
BENCH = -o testdata/bench/RESULTS.md -svg testdata/bench/speed.svg -json bench.json
bench: build
	go run ./testdata/bench -cachex ./cachex $(BENCH)

# Every client against a server that only cachex trusts; ca/TRUST.md is its table.
# As root, TRUST='-install -user NAME' gets more clients by apt, and runs them as
# an ordinary user too.
trust: build
	go run ./testdata/trust -cachex ./cachex -write ca/TRUST.md $(TRUST)

# What a release would be, in dist/, with the last tag's version and more.
packages:
	goreleaser release --snapshot --clean

lint:
	golangci-lint run

# The randomised tests of upstream's faults, killed processes and full disks, at
# length: SOAK operations, some minutes for each ten thousand. CACHEX_SEED=N does
# again what failed with that seed; each test prints its own.
SOAK = 10000
soak:
	CACHEX_SOAK=$(SOAK) go test ./proxy -count=1 -v -timeout 60m -run '^(TestModel|TestKilledProcesses|TestFullDisk|TestFolderInFlux|TestCompressedBomb)$$'

# A minute for each fuzz target. (A number such as 2000x ends after so many inputs: a
# time that is over while a worker answers is a failure to Go, now and then.)
FUZZTIME = 60s
fuzz:
	for p in ./proxy/store:FuzzURL ./proxy/store:FuzzName ./proxy/store:FuzzImport ./proxy/store:FuzzMetaText ./proxy/policy:FuzzJudge ./proxy/policy:FuzzGlob ./proxy/policy:FuzzShapes ./proxy:FuzzSniff ./proxy:FuzzHandler ./proxy:FuzzUpstream ./proxy:FuzzHosts ./proxy:FuzzWindow ./proxy/lock:FuzzParse ./proxy/mirror:FuzzPktLine ./proxy/dns:FuzzAnswer ./ca:FuzzMerge ./cmd/cachex:FuzzKeyLines ./cmd/cachex:FuzzScreenText ./cmd/cachex/report:FuzzPackageURL ./cmd/cachex/report:FuzzMarkdown; do \
	  grep -q "^func $${p##*:}(" $${p%:*}/*_test.go || { echo "no $$p"; exit 1; }; \
	  go test $${p%:*} -run '^$$' -fuzz "$${p##*:}\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x || exit 1; done
