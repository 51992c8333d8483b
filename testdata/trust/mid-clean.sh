# client: each kind of client without a variable (env -i, su -, sudo)
# family: In mid-build
# looks: the system's stores
# given: the merged stores in their places; not for Node, nor for what has roots of its own
# quick
install() { :; }
version() { echo; }
get() {
  env -i "PATH=$PATH" "HOME=$HOME" "DIR=$DIR" "FIXTURES=$FIXTURES" "ORIGIN=$ORIGIN" "HOSTPORT=$HOSTPORT" \
    sh -euc '. "$FIXTURES/common.sh"; everyone'
}
