package proxy

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// ociOrigin is an image registry as the large ones are: bearer tokens that are
// good for one client and a few minutes, and blobs behind redirects to signed
// URLs on another host.
type ociOrigin struct {
	inner   http.Handler
	tokens  atomic.Int32
	blobs   atomic.Int32 // bodies of blobs that were sent
	signed  atomic.Int32
	private string // the password that tokens are given out for, "" for everybody
}

func newOCIOrigin() *ociOrigin {
	return &ociOrigin{inner: registry.New(registry.Logger(log.New(io.Discard, "", 0)))}
}

const ociSecret = "s3cret"

func (o *ociOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Host == "cdn.example":
		if r.URL.Query().Get("X-Amz-Signature") == "" {
			http.Error(w, "unsigned", http.StatusForbidden)
			return
		}
		o.blobs.Add(1)
		o.inner.ServeHTTP(w, r)
	case r.URL.Path == "/token":
		if _, password, _ := r.BasicAuth(); password != o.private {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, `{"token":"token-%s-%d","expires_in":60}`, ociSecret, o.tokens.Add(1))
	case !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer token-"+ociSecret):
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://registry.example/token",service="registry.example"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
	case strings.Contains(r.URL.Path, "/blobs/sha256:") && r.Method == http.MethodGet:
		to := fmt.Sprintf("https://cdn.example%s?X-Amz-Signature=%s%d&X-Amz-Date=1", r.URL.Path, ociSecret, o.signed.Add(1))
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	default:
		o.inner.ServeHTTP(w, r)
	}
}

// push puts an image into the registry, past its guards.
func (o *ociOrigin) push(t *testing.T) v1.Image {
	t.Helper()
	image, err := random.Image(20_000, 3)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference("registry.example/team/app:1", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	direct := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Body == nil {
			r.Body = http.NoBody
		}
		rec := httptest.NewRecorder()
		o.inner.ServeHTTP(rec, r)
		resp := rec.Result()
		resp.Request = r
		return resp, nil
	})
	if err := remote.Write(ref, image, remote.WithTransport(direct)); err != nil {
		t.Fatal(err)
	}
	return image
}

// pull fetches an image as a client does that has nothing yet.
func (r *rig) pull(password string) (v1.Image, error) {
	ref, err := name.ParseReference("registry.example/team/app:1")
	if err != nil {
		return nil, err
	}
	var auth authn.Authenticator = authn.Anonymous
	if password != "" {
		auth = &authn.Basic{Username: "user", Password: password}
	}
	client := r.client(false)
	image, err := remote.Image(ref, remote.WithTransport(client.Transport), remote.WithAuth(auth))
	if err != nil {
		return nil, err
	}
	if _, err := image.RawConfigFile(); err != nil {
		return nil, err
	}
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	for _, l := range layers {
		rc, err := l.Compressed()
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(io.Discard, rc) // its digest is verified on the way
		rc.Close()
		if err != nil {
			return nil, err
		}
	}
	return image, nil
}

func samePull(t *testing.T, r *rig, password string, want v1.Image) {
	t.Helper()
	got, err := r.pull(password)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := got.Digest()
	b, _ := want.Digest()
	if a != b {
		t.Errorf("pulled %v, want %v", a, b)
	}
}

func TestImagePull(t *testing.T) {
	for _, password := range []string{"", "password-" + ociSecret} {
		o := newOCIOrigin()
		o.private = password
		r := newRig(t, o, rigOptions{})
		image := o.push(t)
		samePull(t, r, password, image)
		sent := o.blobs.Load()
		if sent != 4 { // three layers and the configuration
			t.Errorf("%d blobs were sent", sent)
		}
		samePull(t, r, password, image)
		if n := o.blobs.Load(); n != sent {
			t.Errorf("another token made %d blobs a miss", n-sent)
		}
		if o.tokens.Load() < 2 {
			t.Error("the tokens were not rotated, so this shows nothing")
		}
		off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
		samePull(t, off, password, image)
		if _, err := off.pull("another"); err == nil {
			t.Error("another password opens what was kept")
		}
		if password != "" {
			if _, err := off.pull(""); err == nil {
				t.Error("no password opens what was kept for one")
			}
		}
		off.stop()
		grepFor(t, r.dir, ociSecret)
	}
}

// grepFor looks for a secret in all names and bytes below a directory.
func grepFor(t *testing.T, dir, secret string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.Contains(filepath.Base(path), secret) {
			t.Errorf("%s is named after a secret", path)
		}
		if d.Type()&os.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			if strings.Contains(target, secret) {
				t.Errorf("%s leads to a secret", path)
			}
			return err
		}
		if !d.Type().IsRegular() {
			return nil
		}
		files++
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("%s holds a secret", path)
		}
		return err
	})
	if err != nil || files == 0 {
		t.Errorf("%d files were looked through: %v", files, err)
	}
}

// roundTrip is a function as an http.RoundTripper.
type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
