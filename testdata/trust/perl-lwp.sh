# client: LWP
# family: Perl
# looks: the system; PERL_LWP_SSL_CA_FILE
# given: the merged bundle and our certificate by its hash; PERL_LWP_SSL_CA_FILE
install() { perl -MLWP::Protocol::https -e 1 2>/dev/null || { echo 'no LWP'; exit 1; }; }
version() { perl -MLWP -e 'print "LWP $LWP::VERSION, perl $^V"'; }
get() { perl -MLWP::UserAgent -e "my \$r = LWP::UserAgent->new->get('$ORIGIN/files/lwp'); print \$r->content; exit !\$r->is_success"; }
