# client: stack (crypton-x509-system)
# family: Erlang, Haskell
# looks: the system; SYSTEM_CERTIFICATE_PATH
# given: the merged bundle
# proof: request
install() { need stack haskell-stack; }
version() { stack --version; }
get() { printf 'resolver: %s/files/snapshot.yaml\n' "$ORIGIN" >stack.yaml; stack --system-ghc ls dependencies; }
