# Forty downloads by sixteen clients at once, of seven files.
seq 40 | xargs -P 16 -I{} sh -ec 'curl -fsS "$ORIGIN/files/archive-1.2.3.tar.gz?part=$(({} % 7))" -o "$OUT/{}"'
