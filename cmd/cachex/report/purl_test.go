package report

import (
	"net/url"
	"strings"
	"testing"

	"github.com/package-url/packageurl-go"
)

const (
	hex40  = "0123456789abcdef0123456789abcdef01234567"
	hex64  = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	sum64  = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
	here   = "https://registry.example"
	fromIt = "repository_url=https:%2F%2Fregistry.example"
)

func TestPackageURL(t *testing.T) {
	for path, want := range map[string]string{
		// npm
		"/a/-/a-1.0.0.tgz":                              "pkg:npm/a@1.0.0?" + fromIt,
		"/A/-/A-1.0.0-rc.1.tgz":                         "pkg:npm/A@1.0.0-rc.1?" + fromIt,
		"/@s/a/-/a-1.0.0.tgz":                           "pkg:npm/%40s/a@1.0.0?" + fromIt,
		"/@s%2fa/-/a-1.0.0.tgz":                         "pkg:npm/%40s/a@1.0.0?" + fromIt,
		"/@s%2Fa/-/@s/a-1.0.0.tgz":                      "pkg:npm/%40s/a@1.0.0?" + fromIt,
		"/mirror/npm/@s/a/-/a-1.0.0%2Bb.1.tgz?verify=1": "pkg:npm/%40s/a@1.0.0%2Bb.1?" + fromIt + "%2Fmirror%2Fnpm",
		"/a-b/-/a-b-0.0.0-2026.tgz":                     "pkg:npm/a-b@0.0.0-2026?" + fromIt,
		// Python
		"/packages/ab/cd/" + hex64[4:] + "/My.Pkg_x-1.0-py3-none-any.whl":     "pkg:pypi/my-pkg-x@1.0?file_name=My.Pkg_x-1.0-py3-none-any.whl&" + fromIt,
		"/packages/ab/cd/" + hex64[4:] + "/python-dateutil-2.8.2.tar.gz":      "pkg:pypi/python-dateutil@2.8.2?file_name=python-dateutil-2.8.2.tar.gz&" + fromIt,
		"/files/a-1.0%2Bcu118-1-cp312-cp312-manylinux_2_17_x86_64.whl":        "pkg:pypi/a@1.0%2Bcu118?file_name=a-1.0%2Bcu118-1-cp312-cp312-manylinux_2_17_x86_64.whl&" + fromIt + "%2Ffiles",
		"/files/A_b-1.0-py3-none-any.whl.metadata":                            "pkg:pypi/a-b@1.0?file_name=A_b-1.0-py3-none-any.whl&" + fromIt + "%2Ffiles#A_b-1.0.dist-info/METADATA",
		"/repository/pypi/packages/a-b/1.0.post1/a_b-1.0.post1.tar.gz":        "pkg:pypi/a-b@1.0.post1?file_name=a_b-1.0.post1.tar.gz&" + fromIt + "%2Frepository%2Fpypi",
		"/packages/source/f/foo/foo-3.zip":                                    "pkg:pypi/foo@3?file_name=foo-3.zip&" + fromIt,
		"/simple/foo/foo-1!2.0.tar.gz":                                        "pkg:pypi/foo@1%212.0?file_name=foo-1%212.0.tar.gz&" + fromIt + "%2Fsimple%2Ffoo",
		"/api/v4/projects/1/packages/pypi/files/" + hex64 + "/foo-1.0.tar.gz": "pkg:pypi/foo@1.0?file_name=foo-1.0.tar.gz&" + fromIt + "%2Fapi%2Fv4%2Fprojects%2F1",
		"/eggs/setuptools-0.6c11-py2.7.egg":                                   "pkg:pypi/setuptools@0.6c11?file_name=setuptools-0.6c11-py2.7.egg&" + fromIt + "%2Feggs",
		// Go
		"/example.org/m/@v/v1.2.3.zip":                                  "pkg:golang/example.org/m@v1.2.3?" + fromIt,
		"/example.org/!my/!mod/v2/@v/v2.0.0-!r!c1+incompatible.zip":     "pkg:golang/example.org/my/mod/v2@v2.0.0-RC1%2Bincompatible?" + fromIt,
		"/example.org/m/@v/v1.2.3.mod":                                  "pkg:golang/example.org/m@v1.2.3?" + fromIt + "#go.mod",
		"/api/go/v1.0/example.org/m/@v/v1.2.3.info":                     "pkg:golang/example.org/m@v1.2.3?file_name=v1.2.3.info&" + fromIt + "%2Fapi%2Fgo%2Fv1.0",
		"/example.org/@v/v1.2.3.zip":                                    "pkg:golang/example.org@v1.2.3?" + fromIt,
		"/go.example/toolchain/@v/v0.0.1-go1.26.0.linux-arm64.zip":      "pkg:golang/go.example/toolchain@v0.0.1-go1.26.0.linux-arm64?" + fromIt,
		"/gopkg.example/y.v3/@v/v3.0.0-20260101000000-0123456789ab.zip": "pkg:golang/gopkg.example/y.v3@v3.0.0-20260101000000-0123456789ab?" + fromIt,
		// Rust
		"/crates/a_b/a_b-1.0.0-alpha.1.crate": "pkg:cargo/a_b@1.0.0-alpha.1?" + fromIt,
		"/api/v1/crates/a/1.0.0+b/download":   "pkg:cargo/a@1.0.0%2Bb?" + fromIt,
		"/cargo/a/1.0.0/download":             "pkg:cargo/a@1.0.0?" + fromIt + "%2Fcargo",
		// Maven
		"/maven2/org/x/a/1.0/a-1.0.jar":                                    "pkg:maven/org.x/a@1.0?" + fromIt + "%2Fmaven2",
		"/org/apache/maven/a/1.0/a-1.0.pom":                                "pkg:maven/org.apache.maven/a@1.0?" + fromIt + "&type=pom",
		"/x/org/apache/maven/a/1.0/a-1.0.jar.asc":                          "pkg:maven/org.apache.maven/a@1.0?" + fromIt + "%2Fx&type=jar.asc",
		"/repository/io/junit/junit/32/junit-32-sources.jar":               "pkg:maven/junit/junit@32?classifier=sources&" + fromIt + "%2Frepository%2Fio",
		"/maven2/commons-io/commons-io/2.1/commons-io-2.1-bin.tar.gz.sha1": "pkg:maven/commons-io/commons-io@2.1?classifier=bin&" + fromIt + "%2Fmaven2&type=tar.gz.sha1",
		"/mine/junit/junit/4.1/junit-4.1.jar":                              "pkg:maven/junit/junit@4.1?" + fromIt + "%2Fmine",
		"/m2/de/x/a-b/1.0-SNAPSHOT/a-b-1.0-20260101.120000-1-jdk1.8.jar":   "pkg:maven/de.x/a-b@1.0-20260101.120000-1?classifier=jdk1.8&" + fromIt + "%2Fm2",
		// Debian
		"/debian/pool/main/a/a/a_1%3a1.0-1+deb12u1_amd64.deb": "pkg:deb/debian/a@1:1.0-1%2Bdeb12u1?arch=amd64&" + fromIt + "%2Fdebian",
		"/debian/pool/main/a/a/a_1%253a1.0-1_all.deb":         "pkg:deb/debian/a@1:1.0-1?arch=all&" + fromIt + "%2Fdebian",
		"/x/pool/main/a/a/a_1.0-0ubuntu1_arm64.deb":           "pkg:deb/ubuntu/a@1.0-0ubuntu1?arch=arm64&" + fromIt + "%2Fx",
		"/debian-security/pool/updates/main/a/a/a_1.0-1.dsc":  "pkg:deb/debian/a@1.0-1?arch=source&" + fromIt + "%2Fdebian-security",
		"/r/pool/a/libstdc++6_1.0~rc1_amd64.udeb":             "pkg:deb/libstdc%2B%2B6@1.0~rc1?arch=amd64&" + fromIt + "%2Fr",
		// Others
		"/gems/aws-sdk-s3-1.2.3.gem":                  "pkg:gem/aws-sdk-s3@1.2.3?" + fromIt,
		"/gems/n-1.15.4-x86_64-linux.gem":             "pkg:gem/n@1.15.4?platform=x86_64-linux&" + fromIt,
		"/private/gems/foo-2.gem":                     "pkg:gem/foo@2?" + fromIt + "%2Fprivate",
		"/Packages/a/a-b-1.0-1.el9.x86_64.rpm":        "pkg:rpm/a-b@1.0-1.el9?arch=x86_64&" + fromIt,
		"/main/linux-64/a-b-1.0-py_0.conda":           "pkg:conda/a-b@1.0?build=py_0&channel=main&" + fromIt + "&subdir=linux-64&type=conda",
		"/main/noarch/a-1.0-0.tar.bz2":                "pkg:conda/a@1.0?build=0&channel=main&" + fromIt + "&subdir=noarch&type=tar.bz2",
		"/v3-flatcontainer/a.b/1.0.0/a.b.1.0.0.nupkg": "pkg:nuget/a.b@1.0.0?" + fromIt + "%2Fv3-flatcontainer",
		"/v2/library/A/manifests/sha256:" + hex64:     "pkg:oci/a@sha256:" + hex64 + "?repository_url=registry.example%2Flibrary%2FA",
		"/v2/library/a/blobs/sha256:" + hex64:         "pkg:oci/a@sha256:" + hex64 + "?repository_url=registry.example%2Flibrary%2Fa",
		"/v2/a/manifests/latest":                      "pkg:oci/a@sha256:" + sum64 + "?repository_url=registry.example%2Fa&tag=latest",
		"/o/r.git/git-upload-pack":                    "pkg:generic/o/r?vcs_url=git%2Bhttps:%2F%2Fregistry.example%2Fo%2Fr.git",
		"/g/s/r/info/refs?service=git-upload-pack":    "pkg:generic/g/s/r?vcs_url=git%2Bhttps:%2F%2Fregistry.example%2Fg%2Fs%2Fr",
	} {
		if _, got := packageOf(here+path, "application/octet-stream", sum64); got != want {
			t.Errorf("%s:\n got %s\nwant %s", path, got, want)
		}
	}
}

// What has none of the shapes is named by its address and digest.
func TestGenericPackageURL(t *testing.T) {
	sum := "checksum=sha256:" + sum64
	for path, want := range map[string]string{
		"/tool-1.2.3.tar.gz":                 "tool-1.2.3.tar.gz",
		"/d/":                                "d",
		"/":                                  "registry.example",
		"":                                   "registry.example",
		"/a/..":                              "a",
		"/x?y=1&z=%20":                       "x",
		"/a/-/b-1.0.0.tgz":                   "b-1.0.0.tgz",
		"/a/-/a-latest.tgz":                  "a-latest.tgz",
		"/example.org/m/@v/master.info":      "master.info",
		"/m/@v/v1.2.3.zip":                   "v1.2.3.zip",
		"/projects/p/1.2.3/a/download":       "download",
		"/maven2/org/x/a/maven-metadata.xml": "maven-metadata.xml",
		"/maven2/org/x/a/1.0/a-1.0.1.jar":    "a-1.0.1.jar",
		"/v2/a/blobs/uploads":                "uploads",
		"/v2/a/tags/list":                    "list",
		"/dists/stable/InRelease":            "InRelease",
		"/packages/foo-1.0.tar.gz":           "foo-1.0.tar.gz",
		"/a.rpm":                             "a.rpm",
		"/%ff%00":                            "%FF%00",
		"/o/r/archive/v1.2.3.tar.gz":         "o/r@v1.2.3",
		"/g/o/r/-/archive/v1.2.3/r-v1.2.3.tar.bz2":    "g/o/r@v1.2.3",
		"/o/r/archive/" + hex40 + ".zip":              "o/r@" + hex40,
		"/o/r/tar.gz/refs/tags/v1.2.3":                "o/r@v1.2.3",
		"/o/r/legacy.zip/" + hex40:                    "o/r@" + hex40,
		"/o/r/releases/download/v1/tool-linux.tar.gz": "o/r/tool-linux.tar.gz@v1",
	} {
		query := "?" + sum + "&download_url=" + url.QueryEscape(here+path)
		query = strings.NewReplacer("https%3A", "https:", "%2520", "%2520").Replace(query)
		if _, got := packageOf(here+path, "", sum64); got != "pkg:generic/"+want+query {
			t.Errorf("%s:\n got %s\nwant %s", path, got, "pkg:generic/"+want+query)
		}
	}
}

func TestPackageURLOfAnswers(t *testing.T) {
	for _, c := range []struct{ url, kind, sum, want string }{
		// A page is not the package that the URL names.
		{here + "/a/-/a-1.0.0.tgz", "text/html; charset=utf-8", "", "pkg:generic/a-1.0.0.tgz?download_url=https:%2F%2Fregistry.example%2Fa%2F-%2Fa-1.0.0.tgz"},
		{here + "/v2/a/manifests/1", "application/vnd.oci.image.index.v1+json", "", "pkg:oci/a?repository_url=registry.example%2Fa&tag=1"},
		{"http://user:secret@registry.example:8080/x#part", "", "", "pkg:generic/x?download_url=http:%2F%2Fregistry.example:8080%2Fx"},
		{"http://user:secret@registry.example:8080/p/a/-/a-1.0.0.tgz", "", "", "pkg:npm/a@1.0.0?repository_url=http:%2F%2Fregistry.example:8080%2Fp"},
		{"tcp://registry.example:22", "", "", ""},
		{"https:///x", "", "", ""},
		{"://", "", "", ""},
		{"", "", "", ""},
	} {
		if _, got := packageOf(c.url, c.kind, c.sum); got != c.want {
			t.Errorf("%s as %s:\n got %s\nwant %s", c.url, c.kind, got, c.want)
		}
	}
}

// The name that people see keeps its letters, though the canonical form has none.
func TestPackageKeepsLetters(t *testing.T) {
	p, purl := packageOf(here+"/example.org/!my/!mod/@v/v1.0.0.zip", "", "")
	if purl == "" || p.Namespace != "example.org/My" || p.Name != "Mod" {
		t.Errorf("%+v", p)
	}
}

// Whatever the URL, its name is a package URL in canonical form, and has no user.
func FuzzPackageURL(f *testing.F) {
	for _, path := range []string{
		"/@s%2fa/-/a-1.0.0.tgz", "/packages/ab/cd/" + hex64[4:] + "/a-1.0-py3-none-any.whl.metadata", "/example.org/!m/@v/v1.2.3.mod",
		"/crates/a/a-1.0.0.crate", "/a/1.0.0/download", "/maven2/org/x/a/1.0-SNAPSHOT/a-1.0-20260101.120000-1-x.jar", "/pool/a/a_1%3a1_all.deb",
		"/gems/a-1.0-java.gem", "/v2/a/manifests/latest", "/o/r.git/git-upload-pack", "/o/r/archive/v1.tar.gz", "/o/r/releases/download/v1/f",
		"/Packages/a-1-1.noarch.rpm", "/c/noarch/a-1-0.conda", "/a/1.0/a.1.0.nupkg", "/packages/source/a/a/a-1.zip", "/simple/a/a-1.zip", "/%2f%2e%2e/..", "/?q#f",
	} {
		f.Add(here+path, "application/json", sum64)
	}
	f.Add("http://u:secret@h/x", "text/html", "")
	f.Fuzz(func(t *testing.T, rawURL, kind, sum string) {
		_, got := packageOf(rawURL, kind, sum)
		if got == "" {
			if u, err := url.Parse(rawURL); err == nil && u.Hostname() != "" && u.Scheme == "https" && strings.Trim(u.Hostname(), ".") != "" {
				t.Fatalf("%q has no name", rawURL)
			}
			return
		}
		p, err := packageurl.FromString(got)
		if err != nil {
			t.Fatalf("%q: %q: %v", rawURL, got, err)
		}
		if again := p.String(); again != got {
			t.Fatalf("%q: %q is %q when read", rawURL, got, again)
		}
		u, err := url.Parse(rawURL)
		if err != nil || u.User == nil {
			return
		}
		for _, q := range p.Qualifiers {
			if v, err := url.Parse(strings.TrimPrefix(q.Value, "git+")); err == nil && v.User != nil {
				t.Fatalf("%q: %q has a user", rawURL, got)
			}
		}
	})
}
