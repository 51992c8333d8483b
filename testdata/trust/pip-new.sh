# client: pip new
# family: Python
# looks: the system (truststore) and certifi
# given: the merged bundle, by PIP_CERT
install() { pip_install pip-new 'pip>=25.1'; }
version() { py pip-new -m pip --version | cut -d' ' -f1,2; }
get() { py pip-new -m pip install -q --disable-pip-version-check --retries 0 --index-url "$ORIGIN/simple" --target out hello >&2 && cat out/hello.py; }
