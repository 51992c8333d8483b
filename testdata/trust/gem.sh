# client: gem
# family: Ruby
# looks: OpenSSL's defaults; SSL_CERT_FILE
# given: the merged bundle and our certificate by its hash; SSL_CERT_FILE
# proof: request
install() { need gem ruby; }
version() { gem --version; }
get() { gem fetch hello --clear-sources --source "$ORIGIN/gems/"; }
