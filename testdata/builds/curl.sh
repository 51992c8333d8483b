# curl (OpenSSL) with redirects, an error, and a pipe into a shell.
curl -fsSL "$ORIGIN/moved/archive-1.2.3.tar.gz" -o "$OUT/archive-1.2.3.tar.gz"
curl -fsS --compressed "$ORIGIN/files/index.json" -o "$OUT/index.json"
curl -fsS "$ORIGIN/files/install.sh" | sh > "$OUT/installed"
curl -sS -o missing -w '%{http_code}\n' "$ORIGIN/files/missing" > "$OUT/status"
[ -n "$LOCKED" ] || mv missing "$OUT"
