# client: a JDK and its certificates installed anew, then Java without the variable
# family: In mid-build
# looks: the store as its package leaves it
# given: the merged Java store, there before the package
# root
install() {
  [ -n "${APT-}" ] || { echo 'only with -install'; exit 1; }
  need java openjdk-17-jdk-headless
}
version() { dpkg-query -Wf 'ca-certificates-java ${Version}' ca-certificates-java; }
get() {
  if [ -n "${INSIDE-}" ]; then
    update-ca-certificates --fresh >&2
    DEBIAN_FRONTEND=noninteractive apt-get -q -y install --reinstall ca-certificates-java openjdk-17-jre-headless >&2
  fi
  unset JAVA_TOOL_OPTIONS
  . "$FIXTURES/java-17-client.sh" && get
}
