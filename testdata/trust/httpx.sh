# client: httpx
# family: Python
# looks: certifi; SSL_CERT_FILE
# given: the merged bundle, by SSL_CERT_FILE
install() { pip_install httpx httpx; }
version() { py httpx -c 'import httpx; print(httpx.__version__)'; }
get() { py httpx -c "import httpx; print(httpx.get('$ORIGIN/files/httpx').text)"; }
