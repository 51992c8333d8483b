.PHONY: build test builds lint fuzz

build:
	CGO_ENABLED=0 go build -trimpath -o cachex ./cmd/cachex

test:
	go test -race ./...

# Real builds against real registries: cold, warm and offline.
builds: build
	go run ./testdata/builds -cachex ./cachex

lint:
	golangci-lint run

# A minute for each fuzz target.
FUZZTIME = 60s
fuzz:
	for p in ./proxy/store:FuzzURL ./proxy/store:FuzzName ./proxy/policy:FuzzJudge ./proxy:FuzzSniff ./proxy/mirror:FuzzPktLine ./proxy/dns:FuzzAnswer ./ca:FuzzMerge; do \
	  go test $${p%:*} -run '^$$' -fuzz "$${p##*:}\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x || exit 1; done
