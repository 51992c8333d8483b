# client: PHP streams
# family: PHP
# looks: OpenSSL's defaults; SSL_CERT_FILE
# given: the merged bundle and our certificate by its hash; SSL_CERT_FILE
install() { need php php-cli; }
version() { php --version; }
get() { php -r "\$b = file_get_contents('$ORIGIN/files/php'); if (\$b === false) exit(1); echo \$b;"; }
