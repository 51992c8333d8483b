# npm ci of some seventy packages.
cp -r "$FIXTURES/npm/." .
npm ci --ignore-scripts
[ -z "$TIMED" ] || exit 0
rm -f node_modules/.package-lock.json
mv node_modules "$OUT"
