# client: node: fetch
# family: JavaScript
# looks: Mozilla's roots, compiled in; NODE_EXTRA_CA_CERTS
# given: our certificate, by NODE_EXTRA_CA_CERTS
# quick
install() { need node nodejs; }
version() { node --version; }
get() { node -e "fetch('$ORIGIN/files/fetch').then(r => r.text()).then(console.log)"; }
