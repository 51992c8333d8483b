# client: urllib3, told nothing
# family: Python
# looks: as urllib
# given: the merged bundle; SSL_CERT_FILE
install() { pip_install urllib3 urllib3 certifi; }
version() { py urllib3 -c 'import urllib3; print(urllib3.__version__)'; }
get() { py urllib3 -c "import urllib3; print(urllib3.PoolManager(retries=False).request('GET', '$ORIGIN/files/urllib3').data)"; }
