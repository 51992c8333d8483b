# client: poetry
# family: Python
# looks: certifi, by requests
# given: the merged bundle, by REQUESTS_CA_BUNDLE
# proof: request
install() { pip_install poetry poetry; }
version() { py poetry -m poetry --version --no-ansi; }
get() {
  cat >pyproject.toml <<TOML
[project]
name = "own"
version = "1.0.0"
requires-python = ">=3.11"
dependencies = ["hello==1.0.0"]
[[tool.poetry.source]]
name = "origin"
url = "$ORIGIN/simple/"
priority = "primary"
TOML
  py poetry -m poetry lock --no-interaction --no-ansi
}
