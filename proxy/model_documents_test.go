package proxy

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// paper is what an origin of the model holds under one URL path: one
// version after another, of which an artifact has only the first.
type paper struct {
	traits
	// plain is what is there over http: the same for the digest's sake, or other
	// bytes, which no https request must ever get. nil in a plain document.
	plain *paper

	mu       sync.Mutex
	versions []*version
	lies     [][]byte // what the origin sent under the name of a digest
	lengths  []int    // what it announced and did not send
	asked    uint64   // requests so far
}

// traits are what an origin does with a document.
type traits struct {
	host, path string
	name       string // what its bytes are made from
	artifact   bool
	digest     bool   // the path or a field names the body's digest
	repr       bool   // Repr-Digest is sent
	etag       string // "", "strong" or "weak"
	modified   string // "", "strong" or "weak": whether the date tells versions apart
	control    string // Cache-Control
	framing    string // "length", "chunked" or "close"
	coded      bool   // gzip when asked for
	ranges     bool
	shape      string // how a version differs from the one before
	size       int
}

// version is one state of a document.
type version struct {
	n              int
	body, coded    []byte
	etag, modified string
	since, until   time.Time // until is zero while it is current
}

// bytesFor are bytes that no other text has.
func bytesFor(text string, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8(sha256.Sum256([]byte(text))).Read(b)
	return b
}

// next is the body of version n.
func (d *paper) next(n int) []byte {
	fresh := func(size int) []byte { return bytesFor(fmt.Sprint(d.name, " version ", n), size) }
	if n == 0 {
		return fresh(d.size)
	}
	last := d.versions[n-1].body
	switch d.shape {
	case "edited": // two places differ, so that halves of two versions are neither
		b := slices.Clone(last)
		for _, at := range []int{len(b) / 4, len(b) * 3 / 4} {
			copy(b[at:], fresh(min(16, len(b)-at)))
		}
		return b
	case "grown":
		return slices.Concat(last, fresh(1+d.size/8))
	}
	return fresh(max(1, d.size+n*7%31-15))
}

// change makes another version the current one.
func (d *paper) change() {
	if d.plain != nil {
		d.plain.change()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.artifact && len(d.versions) > 0 {
		return
	}
	n, now := len(d.versions), time.Now()
	v := &version{n: n, body: d.next(n), since: now}
	if d.coded {
		v.coded = gzipped(v.body)
	}
	switch d.etag {
	case "strong":
		v.etag = fmt.Sprintf(`"%d-%.8x"`, n, sha256.Sum256(v.body))
	case "weak":
		v.etag = fmt.Sprintf(`W/"%s%d"`, map[bool]string{true: "plain"}[d.plain == nil], n/2)
	}
	switch d.modified {
	case "strong": // a date of its own, long past
		v.modified = now.Add(time.Duration(n*10-86400) * time.Second).UTC().Format(http.TimeFormat)
	case "weak":
		v.modified = now.UTC().Format(http.TimeFormat)
	}
	if n > 0 {
		d.versions[n-1].until = now
	}
	d.versions = append(d.versions, v)
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

func (d *paper) current() *version {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.versions[len(d.versions)-1]
}

// allowed are the versions that a client may get: those that were current at or
// after a moment, or all that ever were, and what the origin itself calls the
// same.
func (d *paper) allowed(since time.Time, old bool) []*version {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ok []*version
	for _, v := range d.versions {
		if old || v.until.IsZero() || !v.until.Before(since) {
			ok = append(ok, v)
		}
	}
	for _, v := range d.versions {
		if slices.ContainsFunc(ok, func(o *version) bool { return o == v || d.callsSame(v, o) }) {
			ok = append(ok, v)
		}
	}
	return ok
}

// callsSame tells whether the origin's validators take two versions for one.
func (d *paper) callsSame(a, b *version) bool {
	if d.etag != "" {
		return a.etag == b.etag
	}
	return d.modified != "" && a.modified == b.modified
}

func (d *paper) addLength(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lengths = append(d.lengths, n)
}

func (d *paper) announced(n int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.lengths, n)
}

func (d *paper) addLie(b []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lies = append(d.lies, b)
}

// told tells whether an answer is one of the origin's lies, or the beginning
// of one.
func (d *paper) told(g got) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.lies, func(l []byte) bool {
		if first, last, _, ok := partOf(g.header); ok && g.status == http.StatusPartialContent && last < len(l) {
			l = l[first : last+1]
		}
		return bytes.HasPrefix(l, g.body) && (g.err != nil || len(l) == len(g.body))
	})
}

func (d *paper) String() string {
	return fmt.Sprintf("%s%s (%s etag %s, modified %q %s, %q, %s, coded %t, ranges %t, %d bytes)",
		d.host, d.path, map[bool]string{true: "artifact", false: "index"}[d.artifact], d.etag, d.modified, d.shape, d.control, d.framing, d.coded, d.ranges, d.size)
}

func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

// newPaper makes a document of random traits, and the plain one beside it.
func newPaper(rng *rand.Rand, host string, i int) *paper {
	d := traits{
		host: host, name: fmt.Sprint(host, " ", i), artifact: i%2 == 0,
		etag: pick(rng, "", "strong", "strong", "weak"), modified: pick(rng, "", "strong", "weak"),
		control: pick(rng, "", "", "no-cache", "max-age=3600", "no-store", "max-age=0, must-revalidate"),
		framing: pick(rng, "length", "length", "length", "chunked", "chunked", "close"),
		coded:   rng.IntN(3) == 0, ranges: rng.IntN(4) > 0,
		shape: pick(rng, "fresh", "edited", "grown"),
		size:  pick(rng, 0, 1, 100, 5_000, 64<<10, 300_000, 300_000, 1<<20),
		path:  fmt.Sprintf("/index/%d", i),
	}
	if d.artifact {
		d.path = fmt.Sprintf("/pkg/-/pkg-1.%d.0.tgz", i)
		d.coded = false
		d.repr = rng.IntN(4) == 0
		d.digest = d.repr
		if rng.IntN(2) == 0 {
			sum := sha256.Sum256((&paper{traits: d}).next(0))
			hash := hex.EncodeToString(sum[:])
			d.digest, d.path = true, pick(rng, "/by-hash/SHA256/"+hash, "/v2/image/blobs/sha256:"+hash)
		}
	}
	plain := &paper{traits: d}
	if !strings.Contains(d.path, "SHA256") && !strings.Contains(d.path, "sha256") {
		plain.name += " plain"
	}
	both := &paper{traits: d, plain: plain}
	both.change()
	return both
}

// reprDigest is the field of RFC 9530 for a body.
func reprDigest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// draw is a source of choices for one request, the same whenever the seed, the
// document and the number of requests before are.
func (d *paper) draw(seed uint64) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(d.host + d.path))
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	return rand.New(rand.NewPCG(seed^d.asked<<32, h.Sum64()))
}
