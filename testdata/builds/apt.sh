# apt-get update, download and install --download-only, with lists of its own so
# that an ordinary user may.
mkdir -p state/lists/partial cache/archives/partial
touch status
apt="apt-get -q -o Dir::State=$PWD/state -o Dir::State::status=$PWD/status -o Dir::Cache=$PWD/cache
  -o APT::Sandbox::User=$(id -un) -o Debug::NoLocking=1"
$apt update
$apt download hello
$apt install -y --download-only tree
mv ./*.deb cache/archives/*.deb "$OUT"
