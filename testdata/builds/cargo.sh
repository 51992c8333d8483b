# cargo fetch and cargo build.
cp -r "$FIXTURES/cargo/." .
export CARGO_HOME="$HOME/.cargo"
cargo fetch
cargo build --release
target/release/sample
[ -z "$TIMED" ] || exit 0
mv Cargo.lock "$CARGO_HOME"/registry/cache "$OUT"
