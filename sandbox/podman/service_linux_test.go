package podman

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// fakeService answers as one of some API version.
func fakeService(t *testing.T, version string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", at)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if version == "" {
			http.Error(w, `{"message":"page not found"}`, http.StatusNotFound)
			return
		}
		w.Header().Set("Libpod-API-Version", version)
		fmt.Fprint(w, "OK")
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return unixScheme + at
}

func TestConnectErrors(t *testing.T) {
	for version, hint := range map[string]string{
		"3.4.4": "podman must be of version 4 at least",
		"":      "something other than podman", // Docker's, for one
	} {
		at := fakeService(t, version)
		t.Setenv("CONTAINER_HOST", at)
		_, err := Connect(context.Background(), nil)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Hint, hint) {
			t.Errorf("API %q: %v, %+v", version, err, e)
		}
	}
	for _, version := range []string{"4.3.1", "5.8.2"} {
		t.Setenv("CONTAINER_HOST", fakeService(t, version))
		s, err := Connect(context.Background(), nil)
		if err != nil {
			t.Errorf("API %s: %v", version, err)
		}
		s.Close()
	}
}

// What podman and the runtimes say on hosts that allow less than they want, and
// what is tried then.
func TestAdapt(t *testing.T) {
	var d spec
	for _, c := range []struct {
		text string
		ok   bool
		seen func() bool
	}{
		{"crun: setting rlimits: setrlimit `RLIMIT_NOFILE`: Operation not permitted: OCI permission denied", true, func() bool { return len(d.Rlimits) == 2 }},
		{"runc: error setting rlimit type 7: operation not permitted: OCI permission denied", true, func() bool { return d.Rlimits[0].Hard <= lowLimit }},
		{"runc: error setting rlimit type 7: operation not permitted", false, func() bool { return true }},
		{"crun: invalid file system type on `/sys/fs/cgroup`: OCI runtime error", true, func() bool { return d.Runtime == "runc" }},
		{"crun: invalid file system type on `/sys/fs/cgroup`: OCI runtime error", false, func() bool { return true }},
		{"no such image", false, func() bool { return true }},
	} {
		if ok := adapt(&d, errors.New(c.text)); ok != c.ok || !c.seen() {
			t.Errorf("%s: %v, %+v", c.text, ok, d)
		}
	}
}

func TestOwner(t *testing.T) {
	me := owner()
	f := strings.Split(me, "-")
	if len(f) != 3 || f[2] == "" || ownerIsGone(me) {
		t.Fatalf("owner %q", me)
	}
	for value, gone := range map[string]bool{
		f[0] + "-" + f[1] + "-1": true,
		f[0] + "-99999999-1":     true,
		"1-99999999-1":           false, // of another pid namespace: who knows
		"run":                    false, "": false, f[0] + "-x-1": false,
	} {
		if ownerIsGone(value) != gone {
			t.Errorf("%q: gone is not %v", value, gone)
		}
	}
}
