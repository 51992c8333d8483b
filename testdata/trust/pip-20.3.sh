# client: pip 20.3.4
# family: Python
# looks: certifi, its own copy
# given: the merged bundle, by PIP_CERT
install() { pip_install pip-20.3 'pip==20.3.4'; }
version() { py pip-20.3 -m pip --version | cut -d' ' -f1,2; }
get() { py pip-20.3 -m pip install -q --disable-pip-version-check --retries 0 --index-url "$ORIGIN/simple" --target out hello >&2 && cat out/hello.py; }
