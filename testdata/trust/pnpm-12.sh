# client: pnpm 12 (Rust)
# family: JavaScript
# looks: the system, by rustls-platform-verifier; NODE_EXTRA_CA_CERTS
# given: the merged bundle, and by SSL_CERT_FILE; NODE_EXTRA_CA_CERTS
install() { npm_install pnpm-12 pnpm@12; }
version() { "$DIR/pnpm-12/node_modules/.bin/pnpm" --version; }
get() { npm_config_fetch_retries=0 "$DIR/pnpm-12/node_modules/.bin/pnpm" add --registry "$ORIGIN/npm/" hello >&2 && cat node_modules/hello/index.js; }
