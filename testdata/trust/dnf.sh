# client: dnf (librepo, libcurl)
# family: System tools
# looks: bundle and hashed directory, compiled in
# given: the merged bundle and our certificate by its hash
# proof: request
install() { need dnf; }
version() { dnf --version; }
get() {
  mkdir log root cache
  dnf -q --installroot="$PWD/root" --releasever=1 --setopt=cachedir="$PWD/cache" --setopt=logdir="$PWD/log" \
    --setopt=retries=1 --repofrompath="origin,$ORIGIN/rpm" --repo=origin makecache
}
