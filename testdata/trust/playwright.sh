# client: Playwright, its download of browsers
# family: JavaScript
# looks: Mozilla's roots, compiled in; NODE_EXTRA_CA_CERTS
# given: our certificate, by NODE_EXTRA_CA_CERTS
# proof: request
install() { npm_install playwright playwright-core; }
version() { "$DIR/playwright/node_modules/.bin/playwright-core" --version; }
get() { PLAYWRIGHT_DOWNLOAD_HOST="$ORIGIN/files" "$DIR/playwright/node_modules/.bin/playwright-core" install chromium-headless-shell; }
