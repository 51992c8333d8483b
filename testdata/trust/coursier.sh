# client: Coursier on a JVM
# family: Java
# looks: as the JDK it runs on
# given: the merged Java store in place of cacerts, and by JAVA_TOOL_OPTIONS
install() {
  need mvn maven
  once coursier sh -c 'cp "$FIXTURES/coursier.xml" pom.xml && mvn -q -Dmaven.repo.local="$PWD/m2" dependency:copy-dependencies -DoutputDirectory=lib && rm -rf m2'
}
version() { ls "$DIR/coursier/lib" | sed -n 's/^coursier_2.13-\(.*\).jar/\1/p'; }
get() { COURSIER_CACHE="$PWD/cache" java -cp "$DIR/coursier/lib/*" coursier.cli.Coursier fetch --no-default -r "$ORIGIN/maven" test:hello:1.0.0 >&2 && find cache -name '*.pom' -exec cat {} +; }
