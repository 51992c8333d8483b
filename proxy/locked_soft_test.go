package proxy

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"cachex/proxy/lock"
)

// A connection that is not HTTP is a soft line; without it nobody is dialled, be it
// the server or the client that would speak first.
func TestLockedTunnels(t *testing.T) {
	for _, says := range []string{"SSH-2.0-server\r\n", ""} {
		g := greeter(t, says)
		r := newRig(t, nil, rigOptions{dial: g.dial, name: "git.example", lock: &lock.Recorder{}})
		talk(t, r, says, true)
		frozen, text := recorded(r)
		if text != "cachex lock 1\n- - CONNECT tcp://git.example:22 soft\n" {
			t.Errorf("got\n%s", text)
		}
		r = newRig(t, nil, rigOptions{dial: g.dial, name: "git.example", frozen: frozen})
		talk(t, r, says, true)
		r.stop()
		g = greeter(t, says)
		r = newRig(t, nil, rigOptions{dial: g.dial, name: "git.example", frozen: parseLock(t, "")})
		talk(t, r, says, false)
		if x := r.last(); x.Outcome != Refused || x.Cause != CauseFrozen || g.dialled() != "" {
			t.Errorf("%+v, dialled %q", x, g.dialled())
		}
	}
}

func talk(t *testing.T, r *rig, says string, through bool) {
	t.Helper()
	conn := r.tunnelTo(t, 22)
	defer conn.Close()
	from := bufio.NewReader(conn)
	if through && says != "" {
		if got, err := from.ReadString('\n'); got != says {
			t.Errorf("%q, %v", got, err)
		}
	}
	io.WriteString(conn, "SSH-2.0-client\r\n")
	got, err := from.ReadString('\n')
	if through && got != "SSH-2.0-client\r\n" || !through && got != "" {
		t.Errorf("%q, %v", got, err)
	}
}

// Which partial tiles of a checksum database are asked for is a matter of luck.
func TestLockedTiles(t *testing.T) {
	hashes := func(n int) string { return strings.Repeat("0123456789abcdef0123456789abcdef", n) }
	origin := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		n := 256
		if _, width, ok := strings.Cut(req.URL.Path, ".p/"); ok {
			n = len(width) * 20 // 40 and 20
		}
		io.WriteString(w, hashes(n))
	})
	const base = host + "/sumdb/x/tile/8/"
	r := newRig(t, origin, rigOptions{lock: &lock.Recorder{}})
	r.want(r.get(base+"0/x001/234"), 200, hashes(256), Miss)
	r.want(r.get(base+"1/005.p/40"), 200, hashes(40), Miss)
	frozen, text := recorded(r)
	if want := "cachex lock 1\n" + sha(hashes(256)) + " 8192 GET " + base + "0/x001/234\n- - GET " + base + "1/005.p/* soft\n"; text != want {
		t.Errorf("got\n%s", text)
	}
	for _, offline := range []bool{false, true} {
		r = r.again(origin, rigOptions{frozen: frozen, offline: offline})
		r.want(r.get(base+"0/x001/234"), 200, hashes(256), Hit)
		r.want(r.get(base+"1/005.p/40"), 200, hashes(40), Hit)
		if a := r.get(base + "1/006.p/40"); a.StatusCode != 403 {
			t.Errorf("an unnamed one: %d", a.StatusCode)
		}
	}
	r.want(r.get(base+"1/005.p/39"), 200, hashes(39), Hit)
	r = r.again(origin, rigOptions{frozen: frozen})
	r.want(r.get(base+"1/005"), 200, hashes(256), Miss) // the tree has filled it
}
