# client: bun: fetch
# family: JavaScript
# looks: roots compiled in and the system's by hash; NODE_EXTRA_CA_CERTS
# given: our certificate, by NODE_EXTRA_CA_CERTS; our certificate by its hash
install() { npm_install bun bun; }
version() { echo "$("$DIR"/bun/node_modules/@oven/*/bin/bun --version)"; }
get() { "$DIR"/bun/node_modules/@oven/*/bin/bun -e "console.log(await (await fetch('$ORIGIN/files/bun')).text())"; }
