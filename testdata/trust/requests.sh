# client: requests, certifi of PyPI
# family: Python
# looks: certifi
# given: the merged bundle, by REQUESTS_CA_BUNDLE
install() { pip_install requests requests; }
version() { py requests -c 'import requests, certifi; print(requests.__version__, "certifi", certifi.__version__)'; }
get() { py requests -c "import requests; print(requests.get('$ORIGIN/files/requests').text)"; }
