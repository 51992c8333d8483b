# client: curl in a chroot without roots, its bundle bound in
# family: In mid-build
# looks: the chroot's own store
# given: nothing by itself
# root
install() {
  [ -n "${APT-}" ] || { echo 'only with -install'; exit 1; }
  need debootstrap
  once debian debootstrap --variant=minbase --include=ca-certificates,curl bookworm .
}
version() { cat "$DIR/debian/etc/debian_version"; }
get() {
  mkdir root && cp -a "$DIR/debian/." root && rm -r root/etc/ssl/certs && mkdir root/etc/ssl/certs
  cp /etc/resolv.conf /etc/hosts root/etc
  [ -z "${INSIDE-}" ] || mount --rbind /etc/ssl/certs root/etc/ssl/certs
  chroot root curl -fsS "$ORIGIN/files/chroot"
}
