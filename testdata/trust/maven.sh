# client: Maven
# family: Java
# looks: as the JDK it runs on
# given: the merged Java store in place of cacerts, and by JAVA_TOOL_OPTIONS
install() { need mvn maven; }
version() { mvn --version 2>/dev/null | sed -n 's/.*\(Apache Maven [0-9.]*\).*/\1/p'; }
get() {
  cat >settings.xml <<XML
<settings><localRepository>$PWD/m2</localRepository><mirrors><mirror><id>origin</id><mirrorOf>*</mirrorOf><url>$ORIGIN/maven</url></mirror></mirrors></settings>
XML
  cat >pom.xml <<XML
<project><modelVersion>4.0.0</modelVersion><parent><groupId>test</groupId><artifactId>hello</artifactId><version>1.0.0</version><relativePath/></parent>
<artifactId>own</artifactId><packaging>pom</packaging></project>
XML
  mvn -q -s settings.xml validate >&2 && cat m2/test/hello/1.0.0/hello-1.0.0.pom
}
