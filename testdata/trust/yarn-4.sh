# client: yarn 4
# family: JavaScript
# looks: Mozilla's roots, compiled in; NODE_EXTRA_CA_CERTS
# given: our certificate, by NODE_EXTRA_CA_CERTS
install() { npm_install yarn-4 @yarnpkg/cli-dist; }
version() { "$DIR/yarn-4/node_modules/.bin/yarn" --version; }
get() {
  export YARN_NPM_REGISTRY_SERVER="$ORIGIN/npm" YARN_NODE_LINKER=node-modules YARN_ENABLE_TELEMETRY=0 YARN_HTTP_RETRY=0
  export YARN_NPM_MINIMAL_AGE_GATE=0
  echo '{"name":"own"}' >package.json && touch yarn.lock
  "$DIR/yarn-4/node_modules/.bin/yarn" add hello >&2 && cat node_modules/hello/index.js
}
