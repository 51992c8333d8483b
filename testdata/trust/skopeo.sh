# client: skopeo (Go)
# family: Containers
# looks: as Go programs; certs.d
# given: the merged bundle; SSL_CERT_FILE
install() { need skopeo; }
version() { skopeo --version; }
get() {
  export XDG_RUNTIME_DIR="$PWD" # the usual one may be another user's
  skopeo --insecure-policy inspect --config "docker://$HOSTPORT/hello:1.0.0"
}
