# client: apt-get install --reinstall ca-certificates, then each kind of client
# family: In mid-build
# looks: the store as built anew
# given: our certificate among the local anchors
# root
install() { need update-ca-certificates ca-certificates; [ -n "${APT-}" ] || { echo 'only with -install'; exit 1; }; }
version() { dpkg-query -Wf 'ca-certificates ${Version}' ca-certificates; }
get() {
  [ -z "${INSIDE-}" ] || DEBIAN_FRONTEND=noninteractive apt-get -q -y install --reinstall ca-certificates >&2
  everyone node-https
}
