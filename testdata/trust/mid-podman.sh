# client: curl in a container (podman run), the bundle's directory bound in
# family: In mid-build
# looks: the container's own store
# given: nothing by itself
install() {
  need podman
  need runc
  . "$FIXTURES/mid-chroot.sh" && install
}
version() { podman --version; }
get() {
  # The one user who needs no cgroups.
  if [ "$(id -u)" = 0 ]; then as_nobody ". $FIXTURES/mid-podman.sh; run"; else run; fi
}
run() {
  own_storage
  printf '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\nruntime = "runc"\n[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n' >containers.conf
  export CONTAINERS_CONF="$PWD/containers.conf"
  # The files are root's: those that are for all will do.
  cp -r "$DIR/debian" root 2>/dev/null || :
  set --
  [ -z "${INSIDE-}" ] || set -- -v /etc/ssl/certs:/etc/ssl/certs:ro,nosuid,nodev
  $root podman run --rm --network host "$@" --rootfs "$PWD/root" curl -fsS "$ORIGIN/files/podman"
}
