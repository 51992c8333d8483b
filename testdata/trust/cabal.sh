# client: cabal, by curl
# family: Erlang, Haskell
# looks: as curl or wget
# given: the merged bundle and our certificate by its hash
# proof: request
install() { need cabal cabal-install; need curl; }
version() { cabal --version; }
get() { printf 'repository origin\n  url: %s/cabal\n' "$ORIGIN" >config; cabal --config-file="$PWD/config" --http-transport=curl update; }
