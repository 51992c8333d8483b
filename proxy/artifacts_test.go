package proxy

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// artifacts is an origin of artifacts that never fails: the bytes follow from
// the path, and so does how many they are.
func artifacts(w http.ResponseWriter, r *http.Request) {
	body := artifact(r.URL.Path)
	if len(r.URL.Path)%2 == 0 {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	for len(body) > 0 {
		n := min(len(body), 50_000)
		if _, err := w.Write(body[:n]); err != nil {
			return
		}
		body = body[n:]
	}
}

func artifact(path string) []byte {
	size := rand.New(rand.NewPCG(1, uint64(bytesFor(path, 1)[0]))).IntN(500_000)
	return bytesFor(path, size)
}

// artifactHouse is a proxy in front of them.
func artifactHouse(t *testing.T, dir string) *rig {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(artifacts))
	h := newHouse(t, func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, origin.Listener.Addr().String())
	}, dir, policy.Artifacts, false)
	t.Cleanup(func() {
		h.stop()
		origin.Close()
	})
	return h
}

func isArtifact(k store.Key, body []byte) bool { return bytes.Equal(body, artifact(k.Target)) }
