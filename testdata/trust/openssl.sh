# client: s_client (OpenSSL)
# family: System tools
# looks: OPENSSLDIR/cert.pem and certs by hash
# given: the merged bundle and our certificate by its hash
# quick
install() { need openssl; }
version() { openssl version; }
get() { printf 'GET /files/openssl HTTP/1.0\r\nHost: %s\r\n\r\n' "$HOSTPORT" | openssl s_client -verify_return_error -quiet -connect "$HOSTPORT"; }
