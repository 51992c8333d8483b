# client: pygit2 wheel (its own libgit2 and OpenSSL)
# family: Python
# looks: SSL_CERT_FILE, else what Python's ssl names
# given: the merged bundle; SSL_CERT_FILE
install() { pip_install pygit2 pygit2; }
version() { py pygit2 -c 'import pygit2; print(pygit2.__version__, "libgit2", pygit2.LIBGIT2_VERSION)'; }
get() { py pygit2 -c "import pygit2; pygit2.clone_repository('$ORIGIN/git/repository.git', 'got')" && cat got/README; }
