# client: cargo, a git dependency (libgit2)
# family: Rust
# looks: the system, probed; CARGO_HTTP_CAINFO
# given: the merged bundle, and by CARGO_HTTP_CAINFO and SSL_CERT_FILE
# proof: request
install() { . "$FIXTURES/cargo.sh"; install; }
version() { "$DIR/cargo/bin/cargo" --version; }
get() {
  export PATH="$DIR/cargo/bin:$PATH" CARGO_HOME="$PWD/home" CARGO_NET_RETRY=0
  mkdir -p src home && touch src/lib.rs
  printf '[package]\nname = "own"\nversion = "1.0.0"\n[dependencies]\nhello = { git = "%s/git/repository.git" }\n' "$ORIGIN" >Cargo.toml
  cargo fetch
}
