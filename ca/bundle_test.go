package ca

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"
)

// newPEM is a certificate unlike all others.
func newPEM(t testing.TB) string {
	t.Helper()
	a, err := New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return string(a.PEM())
}

// sums are the digests of the readable certificates of a PEM file, in order. It
// shares nothing with the code under test.
func sums(data []byte) [][sha256.Size]byte {
	var all [][sha256.Size]byte
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return all
		}
		if _, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			all = append(all, sha256.Sum256(block.Bytes))
		}
	}
}

// sameCertificates tells whether a file holds just the wanted certificates, in
// any order.
func sameCertificates(got []byte, want ...string) bool {
	a, b := sums(got), sums([]byte(strings.Join(want, "\n")))
	order := func(x, y [sha256.Size]byte) int { return bytes.Compare(x[:], y[:]) }
	slices.SortFunc(a, order)
	slices.SortFunc(b, order)
	return slices.Equal(a, b)
}

func TestMerge(t *testing.T) {
	one, two, extra, own := newPEM(t), newPEM(t), newPEM(t), newPEM(t)
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	bare := func(s string) string { return strings.TrimSuffix(s, "\n") }
	trusted := strings.ReplaceAll(one, "CERTIFICATE", "TRUSTED CERTIFICATE")
	key := "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n"
	for _, c := range []struct {
		name   string
		bundle string
		extras []string
		want   []string // own is wanted always
	}{
		{"empty", "", nil, nil},
		{"plain", one + two, nil, []string{one, two}},
		{"extra", one, []string{extra}, []string{one, extra}},
		{"only extras", "", []string{extra, two}, []string{extra, two}},
		{"no trailing newline", one + bare(two), []string{bare(extra)}, []string{one, two, extra}},
		{"CRLF", crlf(one + two), []string{crlf(extra)}, []string{one, two, extra}},
		{"CRLF, none at the end", crlf(one) + bare(crlf(two)), []string{bare(crlf(extra))}, []string{one, two, extra}},
		{"comments", "# One\n" + one + "\n# Two, \u00fc\n====\n" + two + "# end", []string{"# x\n" + extra}, []string{one, two, extra}},
		{"garbage between", one + "\x00\xff\x80 -----\n" + two, []string{"\x00\n" + extra + "\xff"}, []string{one, two, extra}},
		{"cut off", one + two[:len(two)/2], []string{extra[:60], extra}, []string{one, extra}},
		{"cut off at the marker", one + "-----BEGIN CERTIFICATE-----", []string{extra}, []string{one, extra}},
		{"repeated in the bundle", one + one + two, nil, []string{one, one, two}},
		{"extra that is there", one + two, []string{two, one}, []string{one, two}},
		{"extra that is there with CRLF", crlf(one), []string{one}, []string{one}},
		{"extra twice", one, []string{extra, extra + two}, []string{one, extra, two}},
		{"extra with a key", one, []string{key + extra + key}, []string{one, extra}},
		{"extra in OpenSSL's form", two, []string{trusted + extra}, []string{two, extra}},
		{"old name", two, []string{strings.ReplaceAll(extra, "CERTIFICATE", "X509 CERTIFICATE")}, []string{two, extra}},
	} {
		var extras [][]byte
		for _, e := range c.extras {
			extras = append(extras, []byte(e))
		}
		got := merge([]byte(c.bundle), extras, []byte(own))
		if !sameCertificates(got, append(c.want, own)...) {
			t.Errorf("%s: %d certificates, want these %d and ours:\n%s", c.name, len(sums(got)), len(c.want), got)
		}
		if !bytes.HasSuffix(got, ended([]byte(c.bundle))) {
			t.Errorf("%s: the bundle does not stay as it is", c.name)
		}
		if bytes.Contains(got, []byte("PRIVATE")) {
			t.Errorf("%s: a private key is in a file for all to read", c.name)
		}
	}
}

// One block that no program can read would cost every program the whole bundle.
func TestMergeKeepsDamageOut(t *testing.T) {
	one, own := newPEM(t), newPEM(t)
	for _, damaged := range []string{
		"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("\x30\x03\x02\x01\x05")})),
	} {
		got := merge([]byte(one), [][]byte{[]byte(damaged)}, []byte(own))
		if string(got) != own+one {
			t.Errorf("the block is added:\n%s", damaged)
		}
	}
}

func TestMergeLeavesItsInput(t *testing.T) {
	one, own := newPEM(t), newPEM(t)
	room := append(make([]byte, 0, 1<<16), one...)
	merge(room, [][]byte{[]byte(newPEM(t))}, []byte(own))
	if rest := room[len(room):cap(room)]; !bytes.Equal(rest, make([]byte, len(rest))) {
		t.Error("merge writes behind the bundle that it was given")
	}
}

func FuzzMerge(f *testing.F) {
	one, two, own := newPEM(f), newPEM(f), newPEM(f)
	ownSum := sums([]byte(own))[0]
	crlf := strings.ReplaceAll(two, "\n", "\r\n")
	f.Add([]byte(one), []byte(two))
	f.Add([]byte("# c\r\n"+crlf), []byte(strings.TrimSuffix(one, "\n")))
	f.Add([]byte(one[:len(one)/2]), []byte(one+one))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"), []byte("-----BEGIN X-----\nk: v\n\nAAAA\n-----END X-----\n"))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\na:\n-----END "), []byte("-----END CERTIFICATE-----\n"+one))
	f.Add([]byte{}, []byte("\x00"))
	f.Fuzz(func(t *testing.T, bundle, extra []byte) {
		got := merge(bundle, [][]byte{extra}, []byte(own))
		has := map[[sha256.Size]byte]int{}
		for _, sum := range sums(got) {
			has[sum]++
		}
		if has[ownSum] == 0 {
			t.Errorf("ours is lost behind %q and %q", bundle, extra)
		}
		for _, sum := range sums(bundle) {
			if has[sum]--; has[sum] < 0 {
				t.Errorf("a certificate of the bundle %q is lost", bundle)
			}
		}
		for _, sum := range sums(extra) {
			if _, ok := has[sum]; !ok {
				t.Errorf("a certificate of the extras %q is lost", extra)
			}
		}
		if !bytes.Contains(got, bundle) {
			t.Errorf("the bundle %q does not stay as it is", bundle)
		}
	})
}
