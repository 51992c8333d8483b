# client: yarn 1
# family: JavaScript
# looks: Mozilla's roots, compiled in; NODE_EXTRA_CA_CERTS
# given: our certificate, by NODE_EXTRA_CA_CERTS
install() { npm_install yarn-1 yarn@1; }
version() { "$DIR/yarn-1/node_modules/.bin/yarn" --version; }
get() { "$DIR/yarn-1/node_modules/.bin/yarn" --registry "$ORIGIN/npm" add hello >&2 && cat node_modules/hello/index.js; }
