package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/package-url/packageurl-go"
)

// part is a download as a bill of materials and a provenance name it: bytes that
// the command has received.
type part struct {
	url       string // git+URL for a repository
	sha256    string // hexadecimal, "" when it is not known
	mediaType string
	bytes     int64 // the most of all times
	outcome   string
}

// downloads are what the command has received in bodies of answers, each URL and
// digest once, sorted by them, so that equal runs have equal lists. An index that has
// changed during the run is there twice, and so are variants. All exchanges with a
// git repository are one download of it, without a digest: which objects came is in
// the packs alone.
func downloads(r *Report) ([]part, error) {
	type key struct{ url, sha256 string }
	found := map[key]int{}
	var parts []part
	for x, err := range r.Exchanges {
		if err != nil {
			return nil, err
		}
		if !received(x) {
			continue
		}
		p := part{legalURL(x.URL), x.SHA256, x.Type, x.Bytes, x.Outcome}
		if repository := repositoryOf(x.URL); repository != "" {
			p.url, p.sha256, p.mediaType = repository, "", ""
		}
		k := key{p.url, p.sha256}
		if i, ok := found[k]; ok {
			parts[i].bytes = max(parts[i].bytes, p.bytes)
			continue
		}
		found[k] = len(parts)
		parts = append(parts, p)
	}
	slices.SortFunc(parts, func(a, b part) int {
		return cmp.Or(strings.Compare(a.url, b.url), strings.Compare(a.sha256, b.sha256))
	})
	return parts, nil
}

// received tells whether the command has got bytes of what it asked for: not an
// error, not that its own copy is still good, and not an answer to what it sent.
func received(x Exchange) bool {
	switch x.Outcome {
	case Hit, Revalidated, Stale, Miss, Pass:
	default:
		return false
	}
	path, _, _ := strings.Cut(x.URL, "?")
	reads := x.Method == http.MethodGet || x.Method == http.MethodPost && strings.HasSuffix(path, "/git-upload-pack")
	return reads && x.Status >= 200 && x.Status < 300 && x.Bytes > 0
}

// repositoryOf is the git repository that a URL is for, "" for another.
func repositoryOf(rawURL string) string {
	path, _, _ := strings.Cut(rawURL, "?")
	if !strings.HasSuffix(path, "/git-upload-pack") && !strings.HasSuffix(path, "/info/refs") {
		return ""
	}
	p, _ := packageOf(rawURL, "", "")
	return qualifier(p, "vcs_url")
}

// legalURL is a URL with what RFC 3986 does not allow in one encoded. Servers take
// what clients send all the same, but formats that want a URI do not.
func legalURL(s string) string {
	isHexDigit := func(i int) bool { return i < len(s) && strings.IndexByte("0123456789abcdefABCDEF", s[i]) >= 0 }
	_, rest, _ := strings.Cut(s, "://")
	path := len(s) // where the authority, which may have brackets, ends
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		path = len(s) - len(rest) + i
	}
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		bad := c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 || i >= path && (c == '[' || c == ']')
		if bad || c == '%' && !(isHexDigit(i+1) && isHexDigit(i+2)) {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

func qualifier(p packageurl.PackageURL, key string) string {
	for _, q := range p.Qualifiers {
		if q.Key == key {
			return q.Value
		}
	}
	return ""
}

// pkg is the part's name, and that in canonical form, "" if its URL is no URL.
func (p part) pkg() (packageurl.PackageURL, string) {
	if repository, ok := strings.CutPrefix(p.url, "git+"); ok {
		return packageOf(repository+"/git-upload-pack", "", "")
	}
	named, purl := packageOf(p.url, p.mediaType, p.sha256)
	if purl == "" {
		named = packageurl.PackageURL{Type: packageurl.TypeGeneric, Name: p.url}
	}
	return named, purl
}

// id is the same for the same URL and digest, in every report.
func (p part) id() string {
	sum := sha256.Sum256([]byte(p.url + " " + p.sha256))
	return hex.EncodeToString(sum[:8])
}

// nature is what a part is to a bill of materials.
type nature int

const (
	aFile       nature = iota // an index, a signature, metadata of a package, what is not recognised
	aPackage                  // what a package manager installs
	anImage                   // of a container
	aRepository               // of sources
)

func natureOf(p packageurl.PackageURL, mediaType string) nature {
	kind := qualifier(p, "type")
	switch {
	case p.Type == packageurl.TypeGeneric && qualifier(p, "vcs_url") != "":
		return aRepository
	case p.Type == packageurl.TypeOCI && (strings.Contains(mediaType, "manifest") || strings.Contains(mediaType, "image.index")):
		return anImage
	case p.Type == packageurl.TypeGeneric, p.Type == packageurl.TypeOCI, p.Subpath != "",
		p.Type == packageurl.TypeGolang && qualifier(p, "file_name") != "",
		p.Type == packageurl.TypeMaven && (kind == "pom" || kind == "module" || strings.Contains(strings.TrimPrefix(kind, "tar."), ".")):
		return aFile
	}
	return aPackage
}

// runID is a UUID for the run: version 8 (RFC 9562), of what no other run shares. A
// report that is made again has the same.
func (r *Report) runID() (string, error) {
	own, err := json.Marshal([]any{r.Started, r.Command, r.Dir, r.MS, r.Totals})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(own)
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	s := hex.EncodeToString(sum[:16])
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:32]}, "-"), nil
}

// ended is when the run was over. It stands for when the report was made, so that
// one that is made again is the same.
func (r *Report) ended() time.Time {
	return r.Started.UTC().Add(time.Duration(r.MS) * time.Millisecond)
}

// commandLine is the command as a shell takes it.
func (r *Report) commandLine() string {
	if len(r.Command) == 0 {
		return "unknown command"
	}
	words := make([]string, len(r.Command))
	for i, w := range r.Command {
		words[i] = w
		if w == "" || strings.ContainsAny(w, " \t\n\"'`$&|;<>()*?[]{}\\#~!") {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
