# client: aria2 (GnuTLS)
# family: System tools
# looks: bundle
# given: the merged bundle
install() { need aria2c aria2; }
version() { aria2c --version; }
get() { aria2c -q -m 1 -o got "$ORIGIN/files/aria2" && cat got; }
