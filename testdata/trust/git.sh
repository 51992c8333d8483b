# client: git (libcurl with GnuTLS)
# family: System tools
# looks: each file of the bundle's directory
# given: the merged bundle and our certificate beside it; GIT_SSL_CAINFO
# quick
install() { need git; }
version() { git --version; }
get() { git clone -q "$ORIGIN/git/repository.git" got && cat got/README; }
