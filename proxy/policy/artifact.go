package policy

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// Artifacts are recognised by the shape of URL and answer, never by a host's
// name: mirrors and private registries have the same shapes.

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
	return strings.Contains(p, "/by-hash/") || hasDigest(base) || len(base) >= 28 && isHex(base)
}

func artifactName(p string) (string, bool) {
	base := path.Base(p)
	switch {
	case strings.HasSuffix(p, "/"):
		return "", false
	case strings.Contains(p, "/by-hash/"):
		return byDigest, true
	case strings.Contains(p, "/info/refs"), strings.HasSuffix(p, "/git-upload-pack"), strings.HasSuffix(p, "/git-receive-pack"):
		return "", false
	case strings.Contains(p, "/refs/heads/"): // a branch, though it be called v1.2
		return "", false
	case hasDigest(p), splitDigest(p):
		return byDigest, true
	case goModule(p):
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
	case moving(base), indexName(base), !archive(base):
		return "", false
	case numbered(base):
		return "artifact: version in name", true
	case releaseFolder(p):
		return "artifact: version in path", true
	}
	return "", false
}
