package proxy

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// aptOrigin is a repository of one suite with two indexes, at one generation
// after another.
type aptOrigin struct{ day atomic.Int32 }

func (o *aptOrigin) index(name string) string {
	return fmt.Sprintf("%s of day %d\n", name, o.day.Load())
}

func (o *aptOrigin) release() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Origin: x\nDate: day %d\nMD5Sum:\n d41d8cd98f00b204e9800998ecf8427e 0 main/x\nSHA256:\n", o.day.Load())
	for _, name := range []string{"main/binary-all/Packages", "main/source/Sources"} {
		text := o.index(name)
		fmt.Fprintf(&b, " %x %d %s\n", sha256.Sum256([]byte(text)), len(text), name)
	}
	return b.String()
}

func (o *aptOrigin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, _ := strings.CutPrefix(r.URL.Path, "/debian/dists/stable/")
	switch name {
	case "InRelease":
		io.WriteString(w, o.release())
	case "main/binary-all/Packages", "main/source/Sources":
		io.WriteString(w, o.index(name))
	default:
		http.NotFound(w, r)
	}
}

// TestAptGenerations: whatever was fetched before a run was cut, offline all
// indexes are of one generation, the newest of which all is there.
func TestAptGenerations(t *testing.T) {
	const list, packages, sources = "InRelease", "main/binary-all/Packages", "main/source/Sources"
	all := []string{list, packages, sources}
	for name, c := range map[string]struct {
		days [][]string // what is fetched on each day
		want int32      // the day that is served
	}{
		"one day":                   {[][]string{all}, 1},
		"two days":                  {[][]string{all, all}, 2},
		"cut after the list":        {[][]string{all, {list}}, 1},
		"cut after one index":       {[][]string{all, {list, packages}}, 1},
		"cut twice":                 {[][]string{all, {list, packages}, {list, packages}}, 1},
		"cut, and whole afterwards": {[][]string{all, {list}, all}, 3},
		"only one index is used":    {[][]string{{list, packages}, {list, packages}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			o := &aptOrigin{}
			r := newRig(t, o, rigOptions{})
			base := host + "/debian/dists/stable/"
			for _, fetched := range c.days {
				o.day.Add(1)
				for _, f := range fetched {
					if a := r.get(base + f); a.StatusCode != 200 {
						t.Fatalf("%s: %d", f, a.StatusCode)
					}
					r.last() // apt reads what it has got before it asks for more
				}
			}
			off := r.again(http.NotFoundHandler(), rigOptions{offline: true})
			o.day.Store(c.want)
			off.want(off.get(base+list), 200, o.release(), Hit)
			for _, f := range c.days[c.want-1][1:] {
				off.want(off.get(base+f), 200, o.index(f), Hit)
			}
		})
	}
}
