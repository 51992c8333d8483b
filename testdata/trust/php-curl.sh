# client: PHP curl (libcurl with OpenSSL)
# family: PHP
# looks: bundle and hashed directory, compiled in
# given: the merged bundle and our certificate by its hash
install() { need php php-cli; php -m | grep -q '^curl$' || { echo 'no php-curl'; exit 1; }; }
version() { php --version; }
get() { php -r "\$c = curl_init('$ORIGIN/files/php-curl'); if (!curl_exec(\$c)) { echo curl_error(\$c); exit(1); }"; }
