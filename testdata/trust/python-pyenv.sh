# client: urllib of a Python built from source, 3.13
# family: Python
# looks: the OpenSSL defaults of that Python
# given: the merged bundle and our certificate by its hash; SSL_CERT_FILE
install() {
  p=$(ls -d "$HOME"/.pyenv/versions/3.13* 2>/dev/null | head -n 1)
  [ -n "$p" ] || { echo "no Python 3.13 of pyenv"; exit 1; }
  once python-pyenv cp -r "$p/." .
}
version() { LD_LIBRARY_PATH="$DIR/python-pyenv/lib" "$DIR/python-pyenv/bin/python3.13" --version; }
get() { LD_LIBRARY_PATH="$DIR/python-pyenv/lib" "$DIR/python-pyenv/bin/python3.13" -I -c "import urllib.request as u; print(u.urlopen('$ORIGIN/files/pyenv').read())"; }
