# client: podman pull (Go)
# family: Containers
# looks: as Go programs; certs.d
# given: the merged bundle; SSL_CERT_FILE
install() { need podman; }
version() { podman --version; }
get() {
  own_storage
  $root podman --cgroup-manager=cgroupfs --events-backend=none pull -q "$HOSTPORT/hello:1.0.0" >&2
  $root podman --cgroup-manager=cgroupfs --events-backend=none image inspect "$HOSTPORT/hello:1.0.0"
}
