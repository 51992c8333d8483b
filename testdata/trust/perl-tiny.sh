# client: HTTP::Tiny, told to verify
# family: Perl
# looks: the system; SSL_CERT_FILE
# given: the merged bundle; SSL_CERT_FILE
# quick
install() { perl -MIO::Socket::SSL -MHTTP::Tiny -e 1 2>/dev/null || { echo 'no IO::Socket::SSL'; exit 1; }; }
version() { perl -MHTTP::Tiny -e 'print "HTTP::Tiny $HTTP::Tiny::VERSION, perl $^V"'; }
get() { perl -MHTTP::Tiny -e "my \$r = HTTP::Tiny->new(verify_SSL => 1)->get('$ORIGIN/files/tiny'); print \$r->{content}; exit !\$r->{success}"; }
