# client: wget (GnuTLS)
# family: System tools
# looks: bundle
# given: the merged bundle
# quick
install() { need wget; }
version() { wget --version; }
get() { wget -q -t 1 -O - "$ORIGIN/files/wget"; }
