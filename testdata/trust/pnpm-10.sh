# client: pnpm 10
# family: JavaScript
# looks: Mozilla's roots, compiled in; NODE_EXTRA_CA_CERTS
# given: our certificate, by NODE_EXTRA_CA_CERTS
install() { npm_install pnpm-10 pnpm@10; }
version() { "$DIR/pnpm-10/node_modules/.bin/pnpm" --version; }
get() { npm_config_fetch_retries=0 "$DIR/pnpm-10/node_modules/.bin/pnpm" add --registry "$ORIGIN/npm/" hello >&2 && cat node_modules/hello/index.js; }
