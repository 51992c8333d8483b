#!/usr/bin/env bash
# Runs a checkout of the public suite http-tests/cache-tests against
# "cachex run --policy rfc9111" and prints the score.
#
#   testdata/cache-tests.sh CHECKOUT [CACHEX] [HOST]
#
# CHECKOUT needs its dependencies (npm install --omit=dev). HOST is a name that
# this machine resolves to itself, but not as "localhost", which is the
# sandbox's own; the default is the machine's first address. Node.js runs both
# the suite's origin, on the host, and its client, in the sandbox.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2; }
suite=$1
cachex=$(realpath "${2:-./cachex}")
host=${3:-$(hostname -I | cut -d' ' -f1)}
port=${PORT:-8765}

work=$(mktemp -d)
cd "$suite"
export npm_config_protocol=http npm_config_port=$port npm_config_pidfile=$work/pid npm_config_base=http://$host:$port npm_package_config_id=
node test-engine/server/server.mjs >"$work/server.log" 2>&1 &
server=$!
trap 'kill $server; rm -rf "$work"' EXIT
until grep -q Listening "$work/server.log"; do kill -0 $server; sleep 0.1; done

"$cachex" run --policy rfc9111 --cache "$work/cache" --report none --report "json=$work/report.json" -- \
  node --no-warnings test-engine/cli.mjs >"$work/results.json" 2>"$work/errors.log" || { tail "$work/errors.log"; exit 1; }
[ -z "${KEEP:-}" ] || cp "$work/results.json" "$work/report.json" "$KEEP"

cat >"$work/score.mjs" <<JS
import fs from 'node:fs'
const { default: suites } = await import('$PWD/tests/index.mjs')
const results = JSON.parse(fs.readFileSync('$work/results.json'))
const score = {}
for (const suite of suites) {
  for (const test of suite.tests) {
    if (test.browser_only) continue
    const kind = test.kind ?? 'required'
    const result = results[test.id]
    score[kind] ??= [0, 0]
    score[kind][1]++
    if (result === true) score[kind][0]++
    else if (kind !== 'check') console.log(kind + ' ' + test.id + ': ' + (result ?? ['not run']).join(': '))
  }
}
console.log('required ' + score.required.join('/') + ', optimal ' + score.optimal.join('/'))
JS
node "$work/score.mjs"
