# client: uv
# family: Python
# looks: Mozilla's roots, compiled in; UV_SYSTEM_CERTS
# given: UV_SYSTEM_CERTS, UV_NATIVE_TLS; the merged bundle, by SSL_CERT_FILE
install() { pip_install uv uv; }
version() { "$DIR/uv/bin/uv" --version; }
get() { "$DIR/uv/bin/uv" pip install -q --python /usr/bin/python3 --index-url "$ORIGIN/simple" --target out hello >&2 && cat out/hello.py; }
