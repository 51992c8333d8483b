# client: node: https
# family: JavaScript
# looks: Mozilla's roots, compiled in; NODE_EXTRA_CA_CERTS
# given: our certificate, by NODE_EXTRA_CA_CERTS
# quick
install() { need node nodejs; }
version() { node --version; }
get() { node -e "require('https').get('$ORIGIN/files/https', r => r.pipe(process.stdout)).on('error', e => { throw e })"; }
