# client: go (modules)
# family: Go
# looks: as Go programs
# given: the merged bundle; SSL_CERT_FILE
# quick
install() { need go; }
version() { go version; }
get() {
  export GOPROXY="$ORIGIN/go" GONOSUMDB=registry.example GOFLAGS=-modcacherw GOTOOLCHAIN=local
  go mod init registry.example/own 2>/dev/null
  go get registry.example/hello@v1.0.0 >&2
  cat "$(go env GOMODCACHE)/registry.example/hello@v1.0.0/hello.go"
}
