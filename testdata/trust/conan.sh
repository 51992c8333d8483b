# client: conan
# family: Python
# looks: certifi, by requests; a cacert.pem of its own
# given: the merged bundle, by REQUESTS_CA_BUNDLE
# proof: request
install() { pip_install conan conan; }
version() { py conan "$DIR/conan/bin/conan" --version; }
get() {
  export CONAN_HOME="$PWD/conan"
  c() { py conan "$DIR/conan/bin/conan" "$@"; }
  c remote add --force --index 0 origin "$ORIGIN/conan" && c search hello -r origin
}
