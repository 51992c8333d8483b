package policy

import (
	"path"
	"regexp"
	"strings"
	"testing"
)

// shapesByExpression are the shapes said in another way.
func shapesByExpression() map[string]func(string) bool {
	of := func(text string) func(string) bool { return regexp.MustCompile(text).MatchString }
	base := func(match func(string) bool) func(string) bool {
		return func(p string) bool { return match(path.Base(p)) }
	}
	version := of(`(?i)[-_.](v?\d[^/]*)\.(whl|egg|gem|crate|deb|udeb|ddeb|dsc|rpm|drpm|apk|nupkg|snupkg|conda|gemspec\.rz|whl\.metadata)$`)
	word := of(`(?i)(^|[-_.])(latest|nightly|snapshot|current)([-_.]|$)`)
	numbers := of(`\d\.\d`)
	return map[string]func(string) bool{
		"indexName": base(of(`(?i)^(index|packages|sources|release|inrelease|contents|translation|components|repomd|repodata|` +
			`current_repodata|primary|filelists|other|comps|updateinfo|apkindex|manifest|metadata|maven-metadata|latest|current|` +
			`nightly|stable|specs|latest_specs|prerelease_specs|versions|names|catalog|channel|timestamp|root|targets|mirrors|` +
			`packages\.details|listing|archive-contents|dep-11)([-_.]|$)`)),
		"hasDigest": of(`(?i)(^|[^0-9a-z])([0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{60}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})([^0-9a-z]|$)`),
		"goModule":  of(`/@v/v\d+\.\d+\.\d+[^/]*\.(info|mod|zip|ziphash)$`),
		"packaged": base(func(b string) bool {
			return version(strings.ReplaceAll(b, "x86_64", "x86")) && (!word(b) || numbers(b))
		}),
		"numbered":      base(of(`(?i)(^|[-_.@+~])[vr]?\d+\.\d+[^/]*$`)),
		"dotted":        numbers,
		"releaseFolder": of(`(?i)/[^/]*v?\d+\.\d+\.\d+[^/]*/[^/]+$`),
		"archive": base(of(`(?i)\.(tgz|tbz2?|txz|tar|tar\.(gz|bz2|xz|zst|lz|lzma|br)|zip|gz|xz|bz2|zst|7z|jar|war|ear|aar|klib|pom|module|nuspec|exe|` +
			`msi|dmg|pkg|appimage|bin|so|dll|wasm|whl|sh|run|asc|sig|sign|minisig|pem|sha1|sha256|sha512|md5|sha256sum|sha512sum|buildinfo|` +
			`sbom|json\.gz|node|vsix|iso|img|qcow2|mod)$`)),
		"moving":      base(word),
		"splitDigest": of(`(?i)(^|/)[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{28,}(/|$)`),
	}
}

// FuzzShapes compares each shape with its regular expression.
func FuzzShapes(f *testing.F) {
	for _, p := range []string{
		"/a/-/a-1.0.0.tgz", "/x/@v/v1.2.3.zip", "/x/@v/v1.2.3-rc.1.MOD", "/x/@v/v1.2.zip", "/x/@v/v1.2.3/@v/v1.2.3.info", "/@v/v1.2.3.zip.zip",
		"/a_1.0-1_amd64.deb", "/a.x86_64.rpm", "/latest-9.noarch.rpm", "/a-latest-9.1.rpm", "/a-1.0.gemspec.rz", "/a-1.whl.metadata", "/a-1.rz",
		"/-v.deb", "/-v1.deb", "/.1.deb", "/1.deb", "/1.2.3/x", "1.2.3/x", "/1.2.3/", "/v1..2.3/x", "/a1.2.3b/x", "/1.2/3.4/x",
		"/Packages.gz", "/packages.details.txt", "/dep-11x", "/DEP-11", "/current_repodata.json", "/a.tar.lz", "/a.lz", "/a.TAR.br", "/.tgz",
		"/a-Latest", "/latest", "/x.snapshot_y", "/r1.2", "/ar1.2", "/a~1.2", "/a.1.", "/ab/cd/" + sha256hex[4:] + "/x", "/AB/cd/" + sha1hex[:28],
		"/" + sha1hex, "/x" + sha1hex, "/-" + sha256hex + "-", "/" + strings.ToUpper(sha1hex) + "g", "", "/", ".", "//",
	} {
		f.Add(p)
	}
	base := func(match func(string) bool) func(string) bool {
		return func(p string) bool { return match(path.Base(p)) }
	}
	shapes := map[string]func(string) bool{
		"indexName": base(indexName), "hasDigest": hasDigest, "goModule": goModule, "packaged": base(packaged), "numbered": base(numbered),
		"dotted": dotted, "releaseFolder": releaseFolder, "archive": base(archive), "moving": base(moving), "splitDigest": splitDigest,
	}
	expressions := shapesByExpression()
	f.Fuzz(func(t *testing.T, p string) {
		for i := range len(p) {
			if p[i] >= 0x80 {
				return // expressions fold letters of other scripts into ours
			}
		}
		for name, says := range expressions {
			if got, want := shapes[name](p), says(p); got != want {
				t.Errorf("%s(%q) = %v, its expression says %v", name, p, got, want)
			}
		}
	})
}
