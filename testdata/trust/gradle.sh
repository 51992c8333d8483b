# client: Gradle, its daemon
# family: Java
# looks: as the JDK it runs on
# given: the merged Java store in place of cacerts, and by JAVA_TOOL_OPTIONS
install() { need gradle; }
version() { gradle --version 2>/dev/null | grep '^Gradle'; }
get() {
  touch settings.gradle && printf "apply from: '%s/gradle/hello.gradle'\n" "$ORIGIN" >build.gradle
  GRADLE_USER_HOME="$PWD/gradle-home" gradle -q help
}
