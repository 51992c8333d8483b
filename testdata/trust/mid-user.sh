# client: each kind of client as another user (setpriv)
# family: In mid-build
# looks: as ever
# given: files that all can read
# root
# quick
install() { need setpriv util-linux; }
version() { setpriv --version; }
get() { as_nobody "everyone node-https"; }
