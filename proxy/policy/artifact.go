package policy

import (
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"
)

// Artifacts are recognised by the shape of URL and answer, never by a host's
// name: mirrors and private registries have the same shapes.

type rules struct {
	index, moving, digest, goModule, packaged, numbered, dotted, release, archive *regexp.Regexp
}

// shapes are compiled when the first URL is judged, not at each start.
var shapes = sync.OnceValue(func() rules {
	return rules{
		// Names that stay while their content changes, whatever folder they are in.
		index: regexp.MustCompile(`(?i)^(index|packages|sources|release|inrelease|contents|translation|components|repomd|repodata|` +
			`current_repodata|primary|filelists|other|comps|updateinfo|apkindex|manifest|metadata|maven-metadata|latest|current|` +
			`nightly|stable|specs|latest_specs|prerelease_specs|versions|names|catalog|channel|timestamp|root|targets|mirrors|` +
			`packages\.details|listing|archive-contents|dep-11)([-_.]|$)`),
		// A digest or a commit names its bytes: 40 hexadecimal digits or more.
		digest: regexp.MustCompile(`(?i)(^|[^0-9a-z])([0-9a-f]{40}|[0-9a-f]{56}|[0-9a-f]{60}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})([^0-9a-z]|$)`),
		// GOPROXY: only a canonical version (with a possible pseudo-version) is fixed.
		goModule: regexp.MustCompile(`/@v/v\d+\.\d+\.\d+[^/]*\.(info|mod|zip|ziphash)$`),
		// Formats whose names must hold a version.
		packaged: regexp.MustCompile(`(?i)[-_.](v?\d[^/]*)\.(whl|egg|gem|crate|deb|udeb|ddeb|dsc|rpm|drpm|apk|nupkg|snupkg|conda|gemspec\.rz|whl\.metadata)$`),
		// name-1.2.3.ext
		numbered: regexp.MustCompile(`(?i)(^|[-_.@+~])[vr]?\d+\.\d+[^/]*$`),
		// A version within a name, with more than one number.
		dotted: regexp.MustCompile(`\d\.\d`),
		// .../1.2.3/name.ext or .../v1.2.3/name
		release: regexp.MustCompile(`(?i)/[^/]*v?\d+\.\d+\.\d+[^/]*/[^/]+$`),
		archive: regexp.MustCompile(`(?i)\.(tgz|tbz2?|txz|tar|tar\.(gz|bz2|xz|zst|lz|lzma|br)|zip|gz|xz|bz2|zst|7z|jar|war|ear|aar|klib|pom|module|nuspec|exe|` +
			`msi|dmg|pkg|appimage|bin|so|dll|wasm|whl|sh|run|asc|sig|sign|minisig|pem|sha1|sha256|sha512|md5|sha256sum|sha512sum|buildinfo|` +
			`sbom|json\.gz|node|vsix|iso|img|qcow2|mod)$`),
		// Words that say so wherever they stand in a name.
		moving: regexp.MustCompile(`(?i)(^|[-_.])(latest|nightly|snapshot|current)([-_.]|$)`),
	}
})

// Artifact tells whether the answer for a URL is one that never changes, and
// by what that was seen.
func Artifact(u *url.URL, status int, answer http.Header) (string, bool) {
	why, ok := artifactName(u.Path)
	if !ok {
		return "", false
	}
	if status != http.StatusOK {
		return why, true
	}
	base := strings.ToLower(path.Base(u.Path))
	kind, _, _ := strings.Cut(strings.ToLower(answer.Get("Content-Type")), ";")
	kind = strings.TrimSpace(kind)
	html := kind == "text/html" || kind == "application/xhtml+xml"
	json := kind == "application/json" || strings.HasSuffix(kind, "+json")
	switch {
	// A log-in or error page sent with 200 is not what the name says.
	case html && !strings.HasSuffix(base, ".html") && !strings.HasSuffix(base, ".htm"):
		return "", false
	// /commits/DIGEST/status tells something about the digest, and tells
	// otherwise tomorrow.
	case (html || json) && why == byDigest && !namedByDigest(u.Path):
		return "", false
	}
	return why, true
}

// ChecksumTile is how an artifact of a Go checksum database is seen.
const ChecksumTile = "artifact: checksum database"

// byDigest is how an artifact is seen by a digest in its URL.
const byDigest = "artifact: digest"

// namedByDigest tells whether the digest is what the path names, and not a
// folder on the way.
func namedByDigest(p string) bool {
	base := path.Base(p)
	return strings.Contains(p, "/by-hash/") || shapes().digest.MatchString(base) || len(base) >= 28 && isHex(base)
}

func artifactName(p string) (string, bool) {
	base, shapes := path.Base(p), shapes()
	switch {
	case strings.HasSuffix(p, "/"):
		return "", false
	case strings.Contains(p, "/by-hash/"):
		return byDigest, true
	case strings.Contains(p, "/info/refs"), strings.HasSuffix(p, "/git-upload-pack"), strings.HasSuffix(p, "/git-receive-pack"):
		return "", false
	case strings.Contains(p, "/refs/heads/"): // a branch, though it be called v1.2
		return "", false
	case hasHexRun(p, 40) && shapes.digest.MatchString(p), splitDigest(p):
		return byDigest, true
	case shapes.goModule.MatchString(p):
		return "artifact: module version", true
	case strings.Contains(p, "/@v/"), strings.HasSuffix(p, "/@latest"):
		return "", false
	case checksumTile(p):
		return ChecksumTile, true
	// Formats and layouts that name a version come before the words below: a
	// package may well be called latest-version.
	case packaged(base), npmTarball(p):
		return "artifact: version in name", true
	case mavenRelease(p), crateDownload(p):
		return "artifact: version in path", true
	case shapes.moving.MatchString(base), shapes.index.MatchString(base), !shapes.archive.MatchString(base):
		return "", false
	case shapes.numbered.MatchString(base):
		return "artifact: version in name", true
	case shapes.release.MatchString(p):
		return "artifact: version in path", true
	}
	return "", false
}

// splitDigest sees the digest that a file host spreads over folders:
// /packages/ab/cd/<60 hexadecimal digits>/name.
func splitDigest(p string) bool {
	parts := strings.Split(p, "/")
	for i := 2; i < len(parts); i++ {
		if len(parts[i-2]) == 2 && len(parts[i-1]) == 2 && len(parts[i]) >= 28 && isHex(parts[i-2]+parts[i-1]+parts[i]) {
			return true
		}
	}
	return false
}

// hasHexRun tells of n hexadecimal digits in a row. It spares most URLs the regular
// expression, which takes as long as opening a file does.
func hasHexRun(s string, n int) bool {
	run := 0
	for i := range len(s) {
		switch c := s[i] | 0x20; {
		case '0' <= s[i] && s[i] <= '9', 'a' <= c && c <= 'f':
			if run++; run == n {
				return true
			}
		default:
			run = 0
		}
	}
	return false
}

func isHex(s string) bool { return strings.Trim(strings.ToLower(s), "0123456789abcdef") == "" }

// checksumTile sees a Go checksum database's tiles and look-ups, whose content
// is fixed (golang.org/x/mod/sumdb). The signed tree head, /latest, is not.
func checksumTile(p string) bool {
	return strings.Contains(p, "/tile/8/") || strings.Contains(p, "/tile/2/") ||
		strings.Contains(p, "/lookup/") && strings.Contains(path.Base(p), "@v")
}

// mavenRelease sees a repository's .../ARTIFACT/VERSION/ARTIFACT-VERSION.EXT,
// where a version may be a single number.
func mavenRelease(p string) bool {
	parts := strings.Split(p, "/")
	n := len(parts)
	return n >= 4 && strings.ContainsAny(parts[n-2], "0123456789") && !shapes().moving.MatchString(parts[n-2]) &&
		strings.HasPrefix(parts[n-1], parts[n-3]+"-"+parts[n-2])
}

// packaged sees NAME-VERSION.EXT of a package format, but not NAME.x86_64.rpm
// and not NAME-latest-9.noarch.rpm.
func packaged(base string) bool {
	if !packageFormat(base) {
		return false
	}
	shapes := shapes()
	return shapes.packaged.MatchString(strings.ReplaceAll(base, "x86_64", "x86")) &&
		(!shapes.moving.MatchString(base) || shapes.dotted.MatchString(base))
}

// packageFormat tells whether a name may end as shapes.packaged wants it. Without, that
// tries each place at which a version may begin.
func packageFormat(base string) bool {
	switch strings.ToLower(path.Ext(base)) {
	case ".whl", ".egg", ".gem", ".crate", ".deb", ".udeb", ".ddeb", ".dsc", ".rpm", ".drpm", ".apk", ".nupkg", ".snupkg", ".conda", ".rz", ".metadata":
		return true
	}
	return false
}

// npmTarball sees a registry's .../NAME/-/NAME-VERSION.tgz.
func npmTarball(p string) bool {
	dir, base := path.Split(p)
	return strings.HasSuffix(dir, "/-/") && strings.HasSuffix(base, ".tgz") && shapes().numbered.MatchString(base)
}

// crateDownload sees a registry's /NAME/VERSION/download.
func crateDownload(p string) bool {
	dir, base := path.Split(p)
	return base == "download" && shapes().numbered.MatchString(path.Base(strings.TrimSuffix(dir, "/")))
}
