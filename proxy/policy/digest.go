package policy

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/dunglas/httpsfv"
	"golang.org/x/crypto/blake2b"
)

// Digest is what a URL or an answer says that the body's digest is.
type Digest struct {
	// Algorithms are the hash functions that it may be of: a URL shows no more
	// than the length. One of them has to give Sum.
	Algorithms []string
	Sum        []byte
	Where      string // "URL", or the field's name
}

// hashes are the functions that digests are of, by their names in RFC 9530 and
// OCI, without hyphens.
func hashes() map[string]func() hash.Hash {
	return map[string]func() hash.Hash{
		"md5": md5.New, "sha1": sha1.New, "sha224": sha256.New224, "sha256": sha256.New,
		"sha384": sha512.New384, "sha512": sha512.New,
		"blake2b256": func() hash.Hash { h, _ := blake2b.New256(nil); return h }, // fails for a bad key alone
	}
}

// bySize are the functions that a digest of so many bytes may be of.
func bySize(n int) []string {
	switch n {
	case md5.Size:
		return []string{"md5"}
	case sha1.Size:
		return []string{"sha1"}
	case sha256.Size224:
		return []string{"sha224"}
	case sha256.Size:
		return []string{"sha256", "blake2b256"}
	case sha512.Size384:
		return []string{"sha384"}
	case sha512.Size:
		return []string{"sha512"}
	}
	return nil
}

// Digests lists what is known beforehand of an answer's whole body. Only places
// that are known to name a digest of exactly these bytes count: a commit in a
// URL is none. coded tells that the body's coding was undone, after which
// fields about the coded bytes say nothing.
func Digests(u *url.URL, answer http.Header, coded bool) []Digest {
	var all []Digest
	if d, ok := urlDigest(u.Path); ok {
		all = append(all, d)
	}
	if v := answer.Get("Docker-Content-Digest"); v != "" && (strings.Contains(u.Path, "/manifests/") || strings.Contains(u.Path, "/blobs/")) {
		if d, ok := ociDigest(v); ok {
			d.Where = "Docker-Content-Digest"
			all = append(all, d)
		}
	}
	if coded || answer.Get("Content-Encoding") != "" {
		return all
	}
	all = append(all, digestFields(answer)...)
	for _, name := range []string{"md5", "sha1", "sha256", "sha512"} {
		// The file's own, as repository managers send them for Maven.
		field := "X-Checksum-" + strings.ToUpper(name[:1]) + name[1:]
		if sum, err := hex.DecodeString(strings.TrimSpace(answer.Get(field))); err == nil && len(sum) > 0 {
			all = append(all, Digest{[]string{name}, sum, field})
		}
	}
	return all
}

// digestFields reads Repr-Digest (RFC 9530) and its predecessor Digest (RFC
// 3230). A field that cannot be read is ignored, as are functions unknown here.
func digestFields(answer http.Header) []Digest {
	var all []Digest
	known := hashes()
	if members, err := httpsfv.UnmarshalDictionary(answer.Values("Repr-Digest")); err == nil {
		for _, name := range members.Names() {
			member, _ := members.Get(name)
			item, ok := member.(httpsfv.Item)
			if !ok {
				continue
			}
			sum, ok := item.Value.([]byte)
			if short := strings.ReplaceAll(name, "-", ""); ok && known[short] != nil {
				all = append(all, Digest{[]string{short}, sum, "Repr-Digest"})
			}
		}
	}
	for _, line := range answer.Values("Digest") {
		for item := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(item), "=")
			short := strings.ReplaceAll(strings.ToLower(name), "-", "")
			if short == "sha" {
				short = "sha1"
			}
			if sum, err := base64.StdEncoding.DecodeString(value); err == nil && known[short] != nil {
				all = append(all, Digest{[]string{short}, sum, "Digest"})
			}
		}
	}
	return all
}

// named sees the digests in paths.
type named struct{ byHash, oci, object, repodata *regexp.Regexp }

var digestPaths = sync.OnceValue(func() named {
	return named{
		byHash:   regexp.MustCompile(`/by-hash/(?:MD5Sum|SHA1|SHA256|SHA512)/([0-9a-fA-F]+)$`),
		oci:      regexp.MustCompile(`/(?:manifests|blobs)/(sha256|sha512)[:/]([0-9a-fA-F]+)$`),
		object:   regexp.MustCompile(`/(?:objects|cas|sha256)(?:/[0-9a-f]{2}){0,2}/([0-9a-f]{64})$`),
		repodata: regexp.MustCompile(`/repodata/([0-9a-f]{32,128})-[^/]+$`),
	}
})

// shortestDigest is the length of an MD5 in hexadecimal. What ends in less is spared the
// expressions.
const shortestDigest = 32

// urlDigest is the digest that a path names its file by.
func urlDigest(p string) (Digest, bool) {
	if len(path.Base(p)) >= shortestDigest {
		paths := digestPaths()
		if m := paths.oci.FindStringSubmatch(p); m != nil {
			return ociDigest(m[1] + ":" + m[2])
		}
		for _, re := range []*regexp.Regexp{paths.byHash, paths.object, paths.repodata} {
			if m := re.FindStringSubmatch(p); m != nil {
				return hexDigest(m[1])
			}
		}
	}
	// /packages/ab/cd/REST/FILE: but what is told about FILE there, such as
	// FILE.metadata (PEP 658), is not that file.
	parts := strings.Split(p, "/")
	n := len(parts)
	if n < 5 || len(parts[n-4]) != 2 || len(parts[n-3]) != 2 || !fileOfDigest(parts[n-1]) {
		return Digest{}, false
	}
	return hexDigest(parts[n-4] + parts[n-3] + parts[n-2])
}

func fileOfDigest(base string) bool {
	switch path.Ext(base) {
	case ".whl", ".gz", ".zip", ".egg", ".bz2", ".xz", ".zst", ".exe", ".tgz":
		return true
	}
	return false
}

func hexDigest(s string) (Digest, bool) {
	sum, err := hex.DecodeString(s)
	algorithms := bySize(len(sum))
	return Digest{algorithms, sum, "URL"}, err == nil && algorithms != nil
}

// ociDigest reads ALGORITHM:HEX (OCI image specification, descriptors).
func ociDigest(s string) (Digest, bool) {
	name, value, _ := strings.Cut(s, ":")
	sum, err := hex.DecodeString(value)
	ok := err == nil && (name == "sha256" && len(sum) == sha256.Size || name == "sha512" && len(sum) == sha512.Size)
	return Digest{[]string{name}, sum, "URL"}, ok
}

// Verifier checks a body against digests. It is an io.Writer; the zero value
// has nothing to check.
type Verifier struct {
	digests []Digest
	sums    map[string]hash.Hash
}

// NewVerifier makes a Verifier for a body that is about to be written to it.
func NewVerifier(digests []Digest) *Verifier {
	v := &Verifier{digests: digests, sums: map[string]hash.Hash{}}
	known := hashes()
	for _, d := range digests {
		for _, name := range d.Algorithms {
			if v.sums[name] == nil {
				v.sums[name] = known[name]()
			}
		}
	}
	return v
}

// Write adds to the body. It never fails.
func (v *Verifier) Write(b []byte) (int, error) {
	for _, h := range v.sums {
		h.Write(b)
	}
	return len(b), nil
}

// Check returns an error that names the digest which the body doesn't have.
func (v *Verifier) Check() error {
	for _, d := range v.digests {
		if !v.has(d) {
			return fmt.Errorf("its bytes are not those that the digest of the %s names", d.Where)
		}
	}
	return nil
}

func (v *Verifier) has(d Digest) bool {
	for _, name := range d.Algorithms {
		if string(v.sums[name].Sum(nil)) == string(d.Sum) {
			return true
		}
	}
	return false
}
