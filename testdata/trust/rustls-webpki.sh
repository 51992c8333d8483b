# client: rustls with webpki-roots
# family: Rust
# looks: Mozilla's roots, compiled in
# given: nothing: it reads no file
# refuses: no file and no variable reaches it
install() { need cargo; once rustls sh -c 'cp -r "$FIXTURES/rustls/." . && cargo build --quiet --release && cp target/release/fetch . && rm -rf target'; }
version() { grep -A 1 'name = "rustls"' "$DIR/rustls/Cargo.lock" | sed -n 's/^version = "\(.*\)"/rustls \1/p'; }
get() { "$DIR/rustls/fetch" webpki "$HOSTPORT" /files/rustls-webpki; }
