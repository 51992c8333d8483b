# client: deno: fetch and modules
# family: JavaScript
# looks: Mozilla's roots, compiled in; DENO_TLS_CA_STORE
# given: DENO_TLS_CA_STORE=system,mozilla; the merged bundle; NODE_EXTRA_CA_CERTS
install() { npm_install deno deno; }
version() { "$DIR"/deno/node_modules/@deno/*/deno --version; }
get() { "$DIR"/deno/node_modules/@deno/*/deno run --allow-net --allow-import="$HOSTPORT" "$ORIGIN/deno/main.js"; }
