# client: bun install
# family: JavaScript
# looks: as bun: fetch
# given: our certificate, by NODE_EXTRA_CA_CERTS; our certificate by its hash
install() { npm_install bun bun; }
version() { echo "$("$DIR"/bun/node_modules/@oven/*/bin/bun --version)"; }
get() {
  echo '{"name":"own","dependencies":{"hello":"1.0.0"}}' >package.json
  "$DIR"/bun/node_modules/@oven/*/bin/bun install --registry "$ORIGIN/npm/" >&2 && cat node_modules/hello/index.js
}
