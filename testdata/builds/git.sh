# git clone over HTTPS: whole, shallow and deepened, partial, and by protocol v0.
git clone "$ORIGIN/git/repository.git" whole
git clone --depth 1 "$ORIGIN/git/repository.git" shallow
git clone --filter=blob:none "$ORIGIN/git/repository.git" partial
git -c protocol.version=0 clone "$ORIGIN/git/repository.git" old
git clone --depth 2 "$ORIGIN/git/repository.git" deepened
git -C deepened fetch --unshallow
git -C whole fsck --strict
for c in whole shallow partial old deepened; do
  git -C $c log --format=%H > "$OUT/$c.log"
  mv $c/file* "$OUT"
done
