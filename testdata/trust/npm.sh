# client: npm
# family: JavaScript
# looks: Mozilla's roots, compiled in; NODE_EXTRA_CA_CERTS
# given: our certificate, by NODE_EXTRA_CA_CERTS
install() { need npm; }
version() { npm --version; }
get() { npm_config_fetch_retries=0 npm install --no-audit --no-fund --registry "$ORIGIN/npm/" hello >&2 && cat node_modules/hello/index.js; }
