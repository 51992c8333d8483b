# client: git-lfs (Go)
# family: System tools
# looks: as Go programs; GIT_SSL_CAINFO
# given: the merged bundle; GIT_SSL_CAINFO
install() { need git-lfs; }
version() { git-lfs version; }
get() {
  git init -q . && git config lfs.url "$ORIGIN/git/repository.git/info/lfs"
  printf 'version https://git-lfs.%s.com/spec/v1\noid sha256:%s\nsize %d\n' github \
    "$(printf 'trusted-by-cachex\n' | sha256sum | cut -d' ' -f1)" 18 >pointer
  git lfs smudge <pointer
}
