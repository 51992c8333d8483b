# go mod download and go build.
cp -r "$FIXTURES/go/." .
export GOFLAGS="-modcacherw -trimpath" CGO_ENABLED=0
go mod download
go build -o "$OUT/build" .
[ -z "$TIMED" ] || exit 0
mv "$HOME/go/pkg/mod/cache/download" "$OUT"
# Where the checksum database's tree stood is of the day, not of the build.
rm -rf "$OUT"/download/sumdb
find "$OUT" -name '*.lock' -delete
