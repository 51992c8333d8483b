# mvn package with four plugins.
cp -r "$FIXTURES/mvn/." .
repository=$PWD/repository
[ -z "$TIMED" ] || repository=$HOME/repository
mvn -B -Dmaven.repo.local="$repository" package
[ -z "$TIMED" ] || exit 0
mv target/*.jar repository "$OUT"
# Maven notes the time of each download there.
find "$OUT" '(' -name _remote.repositories -o -name '*.lastUpdated' -o -name 'resolver-status.properties' ')' -delete
