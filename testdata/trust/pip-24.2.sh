# client: pip 24.2
# family: Python
# looks: the system (truststore) and certifi
# given: the merged bundle, by PIP_CERT
install() { pip_install pip-24.2 'pip==24.2'; }
version() { py pip-24.2 -m pip --version | cut -d' ' -f1,2; }
get() { py pip-24.2 -m pip install -q --disable-pip-version-check --retries 0 --index-url "$ORIGIN/simple" --target out hello >&2 && cat out/hello.py; }
