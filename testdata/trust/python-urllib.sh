# client: urllib, ssl
# family: Python
# looks: the OpenSSL defaults of that Python
# given: the merged bundle and our certificate by its hash; SSL_CERT_FILE
# quick
install() { need /usr/bin/python3 python3; }
version() { /usr/bin/python3 --version; }
get() { /usr/bin/python3 -c "import urllib.request as u; print(u.urlopen('$ORIGIN/files/urllib').read())"; }
