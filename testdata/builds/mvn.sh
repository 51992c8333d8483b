# mvn package with four plugins.
cp -r "$FIXTURES/mvn/." .
mvn -B -Dmaven.repo.local="$PWD/repository" package
mv target/*.jar repository "$OUT"
# Maven notes the time of each download there.
find "$OUT" '(' -name _remote.repositories -o -name '*.lastUpdated' -o -name 'resolver-status.properties' ')' -delete
