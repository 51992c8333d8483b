# client: rustup
# family: Rust
# looks: the system, by rustls-platform-verifier
# given: the merged bundle, and by SSL_CERT_FILE
# proof: request
install() { need rustup; once rustup cp "$HOME/.cargo/bin/rustup" .; }
version() { "$DIR/rustup/rustup" --version; }
get() { RUSTUP_MAX_RETRIES=0 RUSTUP_DIST_SERVER="$ORIGIN/rustup" "$DIR/rustup/rustup" toolchain install nightly --profile minimal --no-self-update; }
