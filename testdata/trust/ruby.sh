# client: net/http
# family: Ruby
# looks: OpenSSL's defaults; SSL_CERT_FILE
# given: the merged bundle and our certificate by its hash; SSL_CERT_FILE
# quick
install() { command -v ruby >/dev/null || { [ -n "${APT-}" ] && need ruby; } || { echo 'no ruby'; exit 1; }; }
version() { ruby --version; }
get() { ruby -ropen-uri -e "puts URI.open('$ORIGIN/files/ruby').read"; }
