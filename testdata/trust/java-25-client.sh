# client: JDK 25: HttpClient
# family: Java
# looks: its own cacerts; JAVA_TOOL_OPTIONS
# given: the merged Java store in place of cacerts, and by JAVA_TOOL_OPTIONS
install() { set -- /usr/lib/jvm/*25*/bin/java; [ -x "$1" ] || { echo 'no JDK 25'; exit 1; }; }
version() { set -- /usr/lib/jvm/*25*/bin/java; "$1" --version; }
get() { set -- /usr/lib/jvm/*25*/bin/java; "$1" "$FIXTURES/Fetch.java" client "$ORIGIN/files/java"; }
