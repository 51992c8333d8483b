# What the scripts of clients share. $ORIGIN is the server, $HOSTPORT the same
# without https://, $DIR where installed things stay. $INSIDE is set in the sandbox,
# $APT where the rig may install by apt.

# need PROGRAM [PACKAGE]: found, or installed by apt where the rig may.
need() {
  command -v "$1" >/dev/null && return
  if [ -n "${APT-}" ]; then
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${2-$1}" >/dev/null 2>&1 || :
  fi
  command -v "$1" >/dev/null && return
  echo "no $1"
  exit 1
}

# once NAME COMMAND...: runs the command in the new directory $DIR/NAME, unless
# it has done so before.
once() {
  dir=$DIR/$1
  shift
  [ -e "$dir/.done" ] && return
  rm -rf "$dir" && mkdir -p "$dir" && cd "$dir"
  umask 022
  if "$@" >.log 2>&1; then
    touch .done
    return
  fi
  echo "could not be installed: $(grep -v '^ *$' .log | tail -n 1 | cut -c1-100)"
  exit 1
}

# npm_install NAME PACKAGE..., its programs are then in $DIR/NAME/node_modules/.bin
npm_install() {
  need npm
  name=$1
  shift
  once "$name" npm install --no-audit --no-fund --ignore-scripts --prefix . "$@"
}

# pip_install NAME PACKAGE..., for the system's own Python, whichever pip there is
# brings it. Run what comes with: py NAME -m MODULE
pip_install() {
  need /usr/bin/python3 python3
  if command -v pip >/dev/null; then pip=pip; else pip='/usr/bin/python3 -m pip'; fi
  name=$1
  shift
  version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  once "$name" $pip install --quiet --disable-pip-version-check --only-binary=:all: \
    --python-version "$version" --implementation cp --target . "$@"
}

py() {
  name=$1
  shift
  PYTHONPATH=$DIR/$name PYTHONNOUSERSITE=1 /usr/bin/python3 "$@"
}

# own_storage makes containers' storage here, by vfs and with one id: neither
# fuse nor subordinate ids are needed. $root makes an ordinary user root of one
# id, as the others are not mapped in the sandbox, and says so in podman's way.
own_storage() {
  root=
  [ "$(id -u)" = 0 ] || root="unshare --user --map-root-user --mount env _CONTAINERS_USERNS_CONFIGURED=done _CONTAINERS_ROOTLESS_UID=$(id -u)"
  printf '[storage]\ndriver = "vfs"\nrunroot = "%s/run"\ngraphroot = "%s/storage"\n[storage.options]\nignore_chown_errors = "true"\n' \
    "$PWD" "$PWD" >storage.conf
  mkdir -p run
  export CONTAINERS_STORAGE_CONF="$PWD/storage.conf" XDG_RUNTIME_DIR="$PWD/run"
}

# everyone [MORE...] fetches by a client of each kind that is here: each library,
# and each way of finding roots, by a variable only if they are MORE. The last
# one's answer is printed when all have succeeded.
everyone() {
  for c in curl wget git python-urllib go-program java-17-client ruby php-streams perl-tiny "$@"; do
    mkdir "$c" && cd "$c" || exit 1
    if (. "$FIXTURES/$c.sh"; install) >/dev/null; then
      (. "$FIXTURES/$c.sh"; get) >../got || { echo "$c: failed"; exit 1; }
      grep -q trusted-by-cachex ../got || { echo "$c: got $(cat ../got)"; exit 1; }
    fi
    cd ..
  done
  cat got
}

# as_nobody COMMAND: as another user who can write here.
as_nobody() {
  chmod 777 .
  setpriv --reuid 65534 --regid 65534 --clear-groups env "HOME=$PWD" sh -euc ". $FIXTURES/common.sh; $1"
}
