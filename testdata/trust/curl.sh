# client: curl (OpenSSL)
# family: System tools
# looks: bundle and hashed directory, compiled in
# given: the merged bundle and our certificate by its hash; CURL_CA_BUNDLE
# quick
install() { need curl; }
version() { curl --version; }
get() { curl -fsS "$ORIGIN/files/curl"; }
