# client: Composer
# family: PHP
# looks: OpenSSL's defaults; SSL_CERT_FILE
# given: the merged bundle and our certificate by its hash; SSL_CERT_FILE
install() { need composer; php -m | grep -q '^zip$' || command -v unzip >/dev/null || need unzip; }
version() { composer --version --no-ansi 2>/dev/null; }
get() {
  printf '{"repositories":[{"type":"composer","url":"%s/composer"}],"require":{"test/hello":"1.0.0"}}' "$ORIGIN" >composer.json
  COMPOSER_ALLOW_SUPERUSER=1 composer install -q --no-interaction >&2 && cat vendor/test/hello/hello.txt
}
