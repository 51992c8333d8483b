# client: terraform (Go)
# family: Go
# looks: as Go programs
# given: the merged bundle; SSL_CERT_FILE
# proof: request
install() { need terraform; }
version() { terraform version; }
get() {
  export CHECKPOINT_DISABLE=1 TF_CLI_CONFIG_FILE="$PWD/rc"
  printf 'provider_installation {\n network_mirror {\n url = "%s/terraform/"\n }\n}\n' "$ORIGIN" >rc
  printf 'terraform {\n required_providers {\n hello = { source = "registry.example/test/hello" }\n }\n}\n' >main.tf
  terraform init -no-color
}
