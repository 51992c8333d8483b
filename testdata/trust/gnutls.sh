# client: gnutls-cli (GnuTLS)
# family: System tools
# looks: bundle
# given: the merged bundle
install() { need gnutls-cli gnutls-bin; }
version() { gnutls-cli --version; }
get() {
  # It hangs up when its input ends, answered or not.
  { printf 'GET /files/gnutls HTTP/1.0\r\nHost: %s\r\n\r\n' "$HOSTPORT"; sleep 1; } |
    gnutls-cli -p "${HOSTPORT#*:}" "${HOSTPORT%:*}"
}
