# client: update-ca-certificates --fresh, then each kind of client
# family: In mid-build
# looks: the store as built anew
# given: our certificate among the local anchors
# root
# quick
install() { need update-ca-certificates ca-certificates; }
version() { dpkg-query -Wf 'ca-certificates ${Version}' ca-certificates; }
get() {
  [ -z "${INSIDE-}" ] || update-ca-certificates --fresh >&2
  everyone node-https
}
