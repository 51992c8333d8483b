# client: apt, its https method
# family: System tools
# looks: bundle (GnuTLS; 2.9.19 and newer: OpenSSL)
# given: the merged bundle, for the user _apt too
# quick
install() { need apt-get; [ -x /usr/lib/apt/apt-helper ] || { echo no apt-helper; exit 1; }; }
version() { apt-get --version; }
get() { chmod 777 .; /usr/lib/apt/apt-helper -o Acquire::Retries=0 download-file "$ORIGIN/files/apt" "$PWD/got" && cat got; }
