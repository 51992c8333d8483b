# client: buildah pull (Go)
# family: Containers
# looks: as Go programs; certs.d
# given: the merged bundle; SSL_CERT_FILE
install() { need buildah; }
version() { buildah --version; }
get() {
  own_storage
  export BUILDAH_ISOLATION=chroot
  $root buildah pull -q "$HOSTPORT/hello:1.0.0" >&2
  $root buildah inspect --type image "$HOSTPORT/hello:1.0.0"
}
