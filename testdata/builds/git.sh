# git clone over HTTPS, whole and shallow.
git clone "$ORIGIN/git/repository.git" whole
git clone --depth 1 "$ORIGIN/git/repository.git" shallow
git -C whole fsck --strict
for c in whole shallow; do
  git -C $c log --format=%H > "$OUT/$c.log"
  mv $c/file* "$OUT"
done
