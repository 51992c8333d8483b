# client: rustls with the platform verifier
# family: Rust
# looks: the system, probed; SSL_CERT_FILE
# given: the merged bundle, and by SSL_CERT_FILE
install() { need cargo; once rustls sh -c 'cp -r "$FIXTURES/rustls/." . && cargo build --quiet --release && cp target/release/fetch . && rm -rf target'; }
version() { grep -A 1 'name = "rustls"' "$DIR/rustls/Cargo.lock" | sed -n 's/^version = "\(.*\)"/rustls \1/p'; }
get() { "$DIR/rustls/fetch" platform "$HOSTPORT" /files/rustls-platform; }
