# client: cargo
# family: Rust
# looks: the system, probed; CARGO_HTTP_CAINFO
# given: the merged bundle, and by CARGO_HTTP_CAINFO and SSL_CERT_FILE
install() {
  need cargo
  once cargo sh -c 'cp -r "$(rustc --print sysroot)/bin" "$(rustc --print sysroot)/lib" . && rm -rf lib/rustlib'
}
version() { "$DIR/cargo/bin/cargo" --version; }
get() {
  export PATH="$DIR/cargo/bin:$PATH" CARGO_HOME="$PWD/home" CARGO_NET_RETRY=0
  mkdir -p src home && touch src/lib.rs
  printf '[package]\nname = "own"\nversion = "1.0.0"\n[dependencies]\nhello = { version = "1.0.0", registry = "origin" }\n' >Cargo.toml
  printf '[registries.origin]\nindex = "sparse+%s/crates/"\n' "$ORIGIN" >home/config.toml
  cargo fetch >&2 && cat home/registry/src/*/hello-1.0.0/src/lib.rs
}
