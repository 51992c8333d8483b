//go:build linux

package main

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestContainers runs testdata/containers/*.txtar: what is special to --image.
// The scripts have testImage as CACHEX_IMAGE, a registry at registry.example with
// the image team/app:1, the images of layouts, and podman.
func TestContainers(t *testing.T) {
	dir := filepath.Join("..", "..", "testdata", "containers")
	if found, err := filepath.Glob(filepath.Join(dir, "*.txtar")); err != nil || len(found) == 0 {
		t.Fatalf("no scripts in %s: %v", dir, err)
	}
	e := newEngine(t)
	e.add(t, testImage, usualRoot(t))
	addLayouts(t, e)
	app := smallImage(t)
	testscript.Run(t, testscript.Params{
		Dir: dir, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			e.use(env)
			env.Setenv("CACHEX_IMAGE", testImage)
			env.Defer(func() {
				if l, err := left(filepath.Join(env.WorkDir, ".tmp")); err != nil || len(l) > 0 {
					t.Errorf("left in the directory for temporary files: %v %v", l, err)
				}
			})
			if err := setUpScript(env); err != nil {
				return err
			}
			o := env.Values[originKey{}].(*origin)
			defer o.takeRequests()
			return push(o, "registry.example/team/app:1", app)
		},
		Condition: scriptCondition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"origin": originCommand, "requests": requestsCommand,
		},
	})
}

// smallImage has a program that does nothing.
func smallImage(t *testing.T) v1.Image {
	t.Helper()
	r := rootFiles{"/etc/ssl/certs/ca-certificates.crt": nil}
	if err := r.addProgram("/bin/true", "/bin/true"); err != nil {
		t.Fatal(err)
	}
	b, err := r.tar()
	if err != nil {
		t.Fatal(err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil })
	if err != nil {
		t.Fatal(err)
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// push puts an image into an origin's registry.
func push(o *origin, at string, image v1.Image) error {
	ref, err := name.ParseReference(at, name.Insecure)
	if err != nil {
		return err
	}
	return remote.Write(ref, image, remote.WithTransport(served{o.images}))
}

// served is a transport to a handler of this process.
type served struct{ http.Handler }

func (s served) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	response := w.Result()
	response.Request = r
	return response, nil
}

// layouts are where distributions have their trust stores; "-> " makes a link.
// The bundle of each has a comment and no certificate: what a program trusts can
// be the run's authority alone.
var layouts = map[string]rootFiles{
	"debian": {
		"/etc/ssl/certs/ca-certificates.crt": []byte("# none\n"), "/usr/local/share/ca-certificates/.keep": nil,
	},
	"alpine": {
		"/etc/ssl/certs/ca-certificates.crt": []byte("# none\n"), "/etc/ssl/cert.pem": []byte("-> certs/ca-certificates.crt"),
		"/usr/local/share/ca-certificates/.keep": nil,
	},
	"fedora": {
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem": []byte("# none\n"), "/etc/pki/ca-trust/source/anchors/.keep": nil,
		"/etc/pki/tls/certs/ca-bundle.crt": []byte("-> /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),
		"/etc/pki/tls/cert.pem":            []byte("-> /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),
		"/etc/ssl/certs":                   []byte("-> ../pki/tls/certs"),
	},
	"opensuse": {
		"/var/lib/ca-certificates/ca-bundle.pem": []byte("# none\n"), "/var/lib/ca-certificates/openssl/.keep": nil,
		"/etc/ssl/ca-bundle.pem": []byte("-> /var/lib/ca-certificates/ca-bundle.pem"),
		"/etc/ssl/certs":         []byte("-> /var/lib/ca-certificates/pem"), "/var/lib/ca-certificates/pem/.keep": nil,
		"/etc/pki/trust/anchors/.keep": nil,
	},
	"arch": {
		"/etc/ca-certificates/extracted/tls-ca-bundle.pem": []byte("# none\n"), "/etc/ca-certificates/trust-source/anchors/.keep": nil,
		"/etc/ssl/certs/ca-certificates.crt": []byte("-> ../../ca-certificates/extracted/tls-ca-bundle.pem"),
		"/etc/ssl/cert.pem":                  []byte("-> /etc/ca-certificates/extracted/tls-ca-bundle.pem"),
	},
	"bare": {}, // no shell, no store, no users
}

// addLayouts imports an image of each, localhost/cachex-test:LAYOUT.
func addLayouts(t *testing.T, e *engine) {
	t.Helper()
	for name, files := range layouts {
		r := rootFiles{}
		maps.Copy(r, files)
		programs := map[string]string{"/bin/fetch": "/proc/self/exe"}
		changes := []string{}
		if name != "bare" {
			programs["/bin/sh"], programs["/bin/cat"] = "/bin/sh", "/bin/cat"
			r["/etc/passwd"] = []byte("root:x:0:0:root:/root:/bin/sh\nbuilder:x:1000:1000::/home/builder:/bin/sh\n")
			changes = append(changes, "USER 1000:1000")
		}
		for at, path := range programs {
			if err := r.addProgram(at, path); err != nil {
				t.Fatal(err)
			}
		}
		e.add(t, "localhost/cachex-test:"+name, r, changes...)
	}
}
