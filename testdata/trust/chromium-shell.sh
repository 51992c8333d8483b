# client: Chromium's headless shell (of @sparticuz/chromium)
# family: Browsers
# looks: roots compiled in; the NSS database of HOME, but no policy
# given: nothing: the database is the user's
# refuses: see "Not without help"
install() {
  npm_install chromium-shell @sparticuz/chromium
  once chromium-shell-bin node --input-type=module -e '
    const m = await import(process.env.DIR + "/chromium-shell/node_modules/@sparticuz/chromium/build/esm/index.js");
    (await import("fs")).cpSync(await m.default.executablePath(), "chromium");
    (await import("fs")).chmodSync("chromium", 0o755);'
}
version() { "$DIR/chromium-shell-bin/chromium" --version 2>/dev/null; }
get() {
  # It waits after it has refused.
  timeout 10 "$DIR/chromium-shell-bin/chromium" --headless --no-sandbox --single-process --no-zygote --disable-gpu \
    --user-data-dir="$PWD/profile" --dump-dom "$ORIGIN/page/chromium"
}
