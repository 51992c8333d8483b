package proxy

import (
	"bytes"
	"crypto/tls"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cachex/proxy/store"
)

// testCertificate is a certificate that clients of tests do not verify.
var testCertificate = sync.OnceValue(func() *tls.Certificate {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	return &s.TLS.Certificates[0]
})

// checkDirectory holds every file against the origin's history.
func (m *model) checkDirectory() {
	m.t.Helper()
	kept := checkFiles(m.t, m.dir, func(k store.Key, body []byte) bool {
		d := m.origin.documents[k.Host+k.Target]
		if d == nil {
			return false
		}
		for _, v := range slices.Concat(d.allowed(time.Time{}, true), d.plain.allowed(time.Time{}, true)) {
			if bytes.Equal(v.body, body) {
				return true
			}
		}
		return false
	})
	if kept == 0 {
		m.t.Errorf("seed %d: nothing was kept", m.seed)
	}
	nothingLeft(m.t, m.dir)
}

// checkFiles calls whole for each kept body, and says which are not.
func checkFiles(t *testing.T, dir string, whole func(k store.Key, body []byte) bool) (kept int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if e.IsDir() {
			if rel == ".cachex" {
				return filepath.SkipDir
			}
			return nil
		}
		k, _, err := store.ParseName(filepath.ToSlash(rel))
		if err != nil {
			t.Errorf("%s: %v", rel, err)
			return nil
		}
		if !e.Type().IsRegular() {
			target, _ := os.Readlink(path)
			t.Errorf("%s leads to %q, and the origin has no such answer", rel, target)
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !whole(k, b) {
			t.Errorf("%s holds %d bytes that the origin never had under that name", rel, len(b))
		}
		kept++
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return kept
}

// nothingLeft is an error when locks or temporary files outlast their owners.
func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	for _, d := range []string{"tmp", "locks"} {
		left, err := os.ReadDir(filepath.Join(dir, ".cachex", d))
		if err != nil {
			t.Error(err)
		}
		for _, e := range left {
			b, _ := os.ReadFile(filepath.Join(dir, ".cachex", d, e.Name()))
			t.Errorf(".cachex/%s/%s is left behind: %.200q", d, e.Name(), strings.TrimSpace(string(b)))
		}
	}
}
