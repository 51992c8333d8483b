# pip install into a new venv.
python3 -m venv venv
venv/bin/pip install --no-compile -r "$FIXTURES/pip/requirements.txt"
[ -z "$TIMED" ] || exit 0
# Scripts and their records name the venv's own path, which differs by run.
mv venv/lib/python3*/site-packages "$OUT"
find "$OUT" '(' -name RECORD -o -name '*.pyc' ')' -delete
