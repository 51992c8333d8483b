package proxy

import (
	"net/http"
	"strings"
	"testing"
)

func TestPartialTiles(t *testing.T) {
	hashes := func(n int) string { return strings.Repeat("0123456789abcdef0123456789abcdef", n) }
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/sumdb/x/tile/8/0/x001/234":
			w.Write([]byte(hashes(256)))
		case "/sumdb/x/tile/8/1/005.p/40":
			w.Write([]byte(hashes(40)))
		}
	}), rigOptions{})
	const base = host + "/sumdb/x/tile/8/"
	r.want(r.get(base+"0/x001/234"), 200, hashes(256), Miss)
	r.want(r.get(base+"1/005.p/40"), 200, hashes(40), Miss)
	off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
	off.want(off.get(base+"0/x001/234.p/17"), 200, hashes(17), Hit)
	off.want(off.get(base+"1/005.p/39"), 200, hashes(39), Hit)
	for _, none := range []string{"1/005.p/41", "1/005", "1/006.p/1", "1/005.p/0", "data/x001/234.p/17"} {
		if a := off.get(base + none); a.StatusCode != 403 {
			t.Errorf("%s: %d", none, a.StatusCode)
		}
	}
}
