# client: Chromium, headless
# family: Browsers
# looks: roots compiled in; the NSS database of HOME; its policies
# given: a policy (CACertificates), where /etc/chromium is
install() { need chromium; }
version() { chromium --version 2>/dev/null; }
get() { timeout 60 chromium --headless --no-sandbox --disable-gpu --user-data-dir="$PWD/profile" --dump-dom "$ORIGIN/page/chromium" && true; }
