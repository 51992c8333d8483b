# client: Bundler
# family: Ruby
# looks: OpenSSL's defaults; SSL_CERT_FILE; BUNDLE_SSL_CA_CERT
# given: the merged bundle and our certificate by its hash; SSL_CERT_FILE, BUNDLE_SSL_CA_CERT
# proof: request
install() { need bundle ruby-bundler; }
version() { bundle --version; }
get() { printf "source '%s/gems/'\ngem 'hello'\n" "$ORIGIN" >Gemfile; BUNDLE_RETRY=0 BUNDLE_PATH="$PWD/vendor" bundle lock && cat Gemfile.lock; }
