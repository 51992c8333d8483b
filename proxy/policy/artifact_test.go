package policy

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const (
	sha1hex   = "0123456789abcdef0123456789abcdef01234567"
	sha256hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

func at(t testing.TB, path string) *url.URL {
	t.Helper()
	u, err := url.Parse("https://registry.example" + path)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestArtifactNames(t *testing.T) {
	const digest, name, dir = "artifact: digest", "artifact: version in name", "artifact: version in path"
	for path, want := range map[string]string{
		// npm
		"/a/-/a-1.0.0.tgz":                    name,
		"/@s/a/-/a-1.0.0-rc.1.tgz":            name,
		"/latest-version/-/latest-9.0.0.tgz":  name,
		"/metadata/-/metadata-1.0.0.tgz":      name,
		"/mirror/npm/@s%2fa/-/a-1.0.0+b1.tgz": name,
		// Python
		"/packages/ab/cd/" + sha256hex[4:] + "/a-1.0-py3-none-any.whl": digest,
		"/files/a-1.0-py3-none-any.whl":                                name,
		"/files/a-1.0-cp312-cp312-manylinux_2_17_x86_64.whl":           name,
		"/files/a-1.0-py3-none-any.whl.metadata":                       name,
		"/files/a-1.0.tar.gz":                                          name,
		// Rust
		"/api/v1/crates/a/1.0.0/download": dir,
		"/crates/a/a-1.0.0.crate":         name,
		// Debian, RPM, Alpine
		"/pool/main/a/a/a_1.0-1_amd64.deb":               name,
		"/pool/main/a/a/a_1%3a1.0-1+b1_amd64.deb":        name,
		"/pool/main/a/a/a_1.0.orig.tar.xz":               name,
		"/pool/main/a/a/a_1.0-1.dsc":                     name,
		"/dists/stable/main/by-hash/SHA256/" + sha256hex: digest,
		"/dists/stable/main/by-hash/MD5Sum/0123":         digest,
		"/Packages/a-1.0-1.el9.x86_64.rpm":               name,
		"/Packages/latest-1.0-1.x86_64.rpm":              name,
		"/repodata/" + sha256hex + "-primary.xml.gz":     digest,
		"/main/x86_64/a-1.0-r0.apk":                      name,
		// Go
		"/example.org/m/@v/v1.2.3.zip":                                 "artifact: module version",
		"/example.org/m/@v/v1.2.3.mod":                                 "artifact: module version",
		"/example.org/m/@v/v0.0.0-20260101000000-0123456789ab.info":    "artifact: module version",
		"/example.org/!m/@v/v2.0.0+incompatible.zip":                   "artifact: module version",
		"/sumdb/sum.example/tile/8/0/x001/234":                         "artifact: checksum database",
		"/sumdb/sum.example/lookup/example.org/m@v1.2.3":               "artifact: checksum database",
		"/golang.example/toolchain/@v/v0.0.1-go1.26.0.linux-arm64.zip": "artifact: module version",
		// Java
		"/maven2/org/x/a/1.0/a-1.0.jar":                          dir,
		"/maven2/org/x/a/1.0/a-1.0.pom":                          dir,
		"/maven2/org/x/a/1.0/a-1.0.pom.sha1":                     dir,
		"/maven2/org/x/a/32/a-32.module":                         dir,
		"/maven2/org/x/a/1.0/a-1.0-sources.jar.asc":              dir,
		"/snap/org/x/a/1.0-SNAPSHOT/a-1.0-20260101.120000-1.jar": name,
		"/distributions/gradle-8.5-bin.zip":                      name,
		"/distributions/gradle-8.5-bin.zip.sha256":               name,
		// Others
		"/gems/a-1.0.0.gem":                                     name,
		"/quick/Marshal.4.8/a-1.0.0.gemspec.rz":                 name,
		"/v3-flatcontainer/a/1.0.0/a.1.0.0.nupkg":               name,
		"/v3-flatcontainer/a/1.0.0/a.nuspec":                    dir,
		"/conda/linux-64/a-1.0-py_0.conda":                      name,
		"/conda/linux-64/a-1.0-py_0.tar.bz2":                    name,
		"/charts/a-1.0.0.tgz":                                   name,
		"/v2/library/a/blobs/sha256:" + sha256hex:               digest,
		"/v2/library/a/manifests/sha256:" + sha256hex:           digest,
		"/o/r/archive/" + sha1hex + ".tar.gz":                   digest,
		"/o/r/archive/refs/tags/v1.2.3.tar.gz":                  name,
		"/o/r/releases/download/v1.2.3/tool-linux-amd64.tar.gz": dir,
		"/m/resolve/" + sha1hex + "/weights.safetensors":        digest,
		"/dist/v20.0.0/node-v20.0.0-headers.tar.gz":             name,
	} {
		if why, ok := Artifact(at(t, path), http.StatusOK, nil); !ok || why != want {
			t.Errorf("%s: %q, want %q", path, why, want)
		}
	}
}

func TestNotArtifacts(t *testing.T) {
	for _, path := range []string{
		"/", "/a", "/a-1.0.0/", "/simple/a/", "/@s%2fa", "/a/1.0.0", "/pypi/a/1.0.0/json", "/a/-/a-latest.tgz",
		"/config.json", "/aa/bb/name", "/dist/channel-rust-1.70.0.toml.sha256",
		"/dists/stable/InRelease", "/dists/stable/Release.gpg", "/dists/12.5.1/Release.gz", "/dists/stable/main/binary-amd64/Packages.gz",
		"/dists/stable/main/source/Sources.xz", "/dists/stable/Contents-amd64.gz", "/dists/stable/main/i18n/Translation-en.bz2",
		"/repodata/repomd.xml", "/repodata/repomd.xml.asc", "/repodata/primary.xml.gz", "/main/x86_64/APKINDEX.tar.gz",
		"/rpm/agent.x86_64.rpm", "/rpm/agent-latest.x86_64.rpm", "/rpm/epel-release-latest-9.noarch.rpm", "/deb/browser-stable_current_amd64.deb",
		"/example.org/m/@v/list", "/example.org/m/@latest", "/example.org/m/@v/master.info", "/example.org/m/@v/v1.info",
		"/sumdb/sum.example/latest", "/sumdb/sum.example/supported",
		"/maven2/org/x/a/maven-metadata.xml", "/maven2/org/x/a/maven-metadata.xml.sha1", "/maven2/org/x/a/1.0-SNAPSHOT/maven-metadata.xml",
		"/snap/org/x/a/1.0-SNAPSHOT/a-1.0-SNAPSHOT.jar", "/snap/org/x/a/1.0-SNAPSHOT/a-1.0-SNAPSHOT.pom",
		"/dl/tool/latest/tool-latest.tar.gz", "/dl/tool/stable/tool-stable.tar.gz", "/dl/tool-nightly.zip",
		"/versions", "/info/a", "/names", "/specs.4.8.gz", "/latest_specs.4.8.gz", "/prerelease_specs.4.8.gz",
		"/v3/index.json", "/v3-flatcontainer/a/index.json", "/conda/linux-64/repodata.json.zst", "/conda/linux-64/current_repodata.json",
		"/v2/", "/v2/library/a/manifests/1.2.3", "/v2/library/a/manifests/latest", "/v2/library/a/tags/list", "/index.yaml",
		"/o/r.git/info/refs", "/o/r-1.2.3.git/info/refs", "/o/" + sha1hex + "/info/refs", "/o/r.git/git-upload-pack",
		"/o/r/archive/refs/heads/main.tar.gz", "/o/r/archive/refs/heads/release-1.2.tar.gz",
		"/o/r/releases/latest/download/tool.tar.gz", "/abc/" + sha1hex[:39], "/abc/" + sha1hex + "0",
	} {
		if why, ok := Artifact(at(t, path), http.StatusOK, nil); ok {
			t.Errorf("%s is taken for an artifact: %s", path, why)
		}
	}
}

// The name promises bytes; the answer shows whether it is them.
func TestArtifactAnswers(t *testing.T) {
	for _, c := range []struct {
		path, kind string
		status     int
		want       bool
	}{
		{"/a/-/a-1.0.0.tgz", "application/octet-stream", 200, true},
		{"/a/-/a-1.0.0.tgz", "text/html; charset=utf-8", 200, false},
		{"/a/-/a-1.0.0.tgz", "Text/HTML", 200, false},
		{"/a/-/a-1.0.0.tgz", "text/html", 302, true},
		{"/o/" + sha1hex + "/page.tar.gz", "text/html", 200, false},
		{"/v2/a/manifests/sha256:" + sha256hex, "application/vnd.oci.image.manifest.v1+json", 200, true},
		{"/v2/a/blobs/sha256:" + sha256hex, "application/json", 200, true},
		{"/repos/o/r/git/trees/" + sha1hex, "application/json", 200, true},
		{"/repos/o/r/commits/" + sha1hex + "/status", "application/json; charset=utf-8", 200, false},
		{"/repos/o/r/commits/" + sha1hex + "/check-runs", "application/vnd.forge.v3+json", 200, false},
		{"/repos/o/r/commits/" + sha1hex + "/status", "Application/JSON", 200, false},
		{"/packages/ab/cd/" + sha256hex[4:] + "/files", "application/json", 200, false},
		{"/commit/" + sha1hex + "/index.html", "text/html", 200, false},
		{"/commit/" + sha1hex + ".html", "text/html", 200, true},
		{"/o/r/raw/" + sha1hex + "/package.json", "text/plain; charset=utf-8", 200, true},
		{"/maven2/org/x/a/1.0/a-1.0.module", "application/vnd.org.gradle.module+json", 200, true},
		{"/example.org/m/@v/v1.2.3.info", "application/json", 200, true},
		{"/main/by-hash/SHA256/" + sha256hex, "application/json", 200, true},
	} {
		h := http.Header{"Content-Type": {c.kind}}
		if why, ok := Artifact(at(t, c.path), c.status, h); ok != c.want {
			t.Errorf("%s as %s with %d: %v %q, want %v", c.path, c.kind, c.status, ok, why, c.want)
		}
	}
}

// The shape decides, never the host.
func TestArtifactsOfAnyHost(t *testing.T) {
	for _, host := range []string{"registry.example", "mirror.corp.example:8443", "[::1]", "192.0.2.1"} {
		for path, want := range map[string]bool{"/npm/a/-/a-1.0.0.tgz": true, "/npm/a": false} {
			u := &url.URL{Scheme: "https", Host: host, Path: path}
			if _, ok := Artifact(u, http.StatusOK, nil); ok != want {
				t.Errorf("%s: %v, want %v", u, ok, want)
			}
		}
	}
	long := at(t, "/"+strings.Repeat("a-1.0/", 20000)+"a.tgz")
	if _, ok := Artifact(long, http.StatusOK, nil); ok {
		t.Error("a long path without version is an artifact")
	}
}
