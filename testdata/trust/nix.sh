# client: nix-prefetch-url, without a daemon
# family: System tools
# looks: NIX_SSL_CERT_FILE, SSL_CERT_FILE, then the bundles
# given: the merged bundle, by NIX_SSL_CERT_FILE
install() { need nix-prefetch-url nix-bin; }
version() { nix --version; }
get() {
  export NIX_REMOTE=local NIX_STORE_DIR="$PWD/store" NIX_STATE_DIR="$PWD/state" NIX_LOG_DIR="$PWD/log" NIX_CONF_DIR="$PWD/conf"
  # Builders of another user are not for an ordinary one.
  mkdir conf && printf 'build-users-group =\nsandbox = false\ndownload-attempts = 1\n' >conf/nix.conf
  cat "$(nix-prefetch-url --print-path "$ORIGIN/files/nix" | tail -n 1)"
}
