# client: uv --no-system-certs
# family: Python
# looks: Mozilla's roots, compiled in; SSL_CERT_FILE
# given: the merged bundle, by SSL_CERT_FILE
install() { pip_install uv uv; }
version() { "$DIR/uv/bin/uv" --version; }
get() { "$DIR/uv/bin/uv" --no-system-certs pip install -q --python /usr/bin/python3 --index-url "$ORIGIN/simple" --target out hello >&2 && cat out/hello.py; }
