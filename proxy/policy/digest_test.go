package policy

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"golang.org/x/crypto/blake2b"
)

// TestDigests asks for each place that names a digest: are the right bytes
// taken, and other bytes refused?
func TestDigests(t *testing.T) {
	const body = "the bytes"
	sum := sha256.Sum256([]byte(body))
	sum512 := sha512.Sum512([]byte(body))
	blake := blake2b.Sum256([]byte(body))
	hex256, hex512, hexBlake := hex.EncodeToString(sum[:]), hex.EncodeToString(sum512[:]), hex.EncodeToString(blake[:])
	b64 := base64.StdEncoding.EncodeToString(sum[:])
	for _, c := range []struct {
		path   string
		fields []string
		want   int
	}{
		{"/debian/dists/x/main/by-hash/SHA256/" + hex256, nil, 1},
		{"/v2/a/b/blobs/sha256:" + hex256, nil, 1},
		{"/v2/a/b/manifests/sha512:" + hex512, nil, 1},
		{"/v2/a/b/manifests/latest", []string{"Docker-Content-Digest: sha256:" + hex256}, 1},
		{"/packages/" + hexBlake[:2] + "/" + hexBlake[2:4] + "/" + hexBlake[4:] + "/a-1.0-py3-none-any.whl", nil, 1},
		{"/packages/" + hex256[:2] + "/" + hex256[2:4] + "/" + hex256[4:] + "/a-1.0.tar.gz", nil, 1},
		{"/o/r/info/lfs/objects/" + hex256, nil, 1},
		{"/lfs/objects/" + hex256[:2] + "/" + hex256[2:4] + "/" + hex256, nil, 1},
		{"/fedora/repodata/" + hex256 + "-primary.xml.gz", nil, 1},
		{"/x", []string{"Repr-Digest: sha-256=:" + b64 + ":, unknown=:AAAA:"}, 1},
		{"/x", []string{"Digest: SHA-256=" + b64 + ",adler=1"}, 1},
		{"/x", []string{"X-Checksum-Sha256: " + hex256}, 1},
		// What names other bytes, or nothing.
		{"/packages/" + hexBlake[:2] + "/" + hexBlake[2:4] + "/" + hexBlake[4:] + "/a-1.0-py3-none-any.whl.metadata", nil, 0},
		{"/archive/0123456789012345678901234567890123456789.tar.gz", nil, 0},
		{"/v2/a/b/blobs/sha256:" + hex256[:10], nil, 0},
		{"/x", []string{"Content-MD5: AAAA", "Repr-Digest: broken", "Digest: SHA-256=!", "Docker-Content-Digest: sha256:" + hex256}, 0},
	} {
		digests := Digests(at(t, c.path), header(c.fields...), false)
		if len(digests) != c.want {
			t.Errorf("%s %v: %+v", c.path, c.fields, digests)
			continue
		}
		right, wrong := NewVerifier(digests), NewVerifier(digests)
		io.WriteString(right, body[:3])
		io.WriteString(right, body[3:])
		io.WriteString(wrong, strings.ToUpper(body))
		if err := right.Check(); err != nil {
			t.Errorf("%s %v: %v", c.path, c.fields, err)
		}
		if err := wrong.Check(); (err == nil) != (c.want == 0) {
			t.Errorf("%s %v: other bytes: %v", c.path, c.fields, err)
		}
	}
	coded := header("Repr-Digest: sha-256=:"+b64+":", "X-Checksum-Sha256: "+hex256)
	if d := Digests(at(t, "/x"), coded, true); len(d) != 0 {
		t.Errorf("of bytes whose coding was undone: %+v", d)
	}
}
