# client: urllib3, told certifi.where()
# family: Python
# looks: certifi
# given: nothing: no variable
# refuses: the program names certifi's own file
install() { pip_install urllib3 urllib3 certifi; }
version() { py urllib3 -c 'import urllib3; print(urllib3.__version__)'; }
get() { py urllib3 -c "import urllib3, certifi; print(urllib3.PoolManager(ca_certs=certifi.where(), retries=False).request('GET', '$ORIGIN/files/urllib3').data)"; }
