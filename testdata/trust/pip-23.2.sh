# client: pip 23.2.1
# family: Python
# looks: certifi, its own copy
# given: the merged bundle, by PIP_CERT
install() { pip_install pip-23.2 'pip==23.2.1'; }
version() { py pip-23.2 -m pip --version | cut -d' ' -f1,2; }
get() { py pip-23.2 -m pip install -q --disable-pip-version-check --retries 0 --index-url "$ORIGIN/simple" --target out hello >&2 && cat out/hello.py; }
