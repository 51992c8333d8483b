package proxy

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// verdict is what became of an operation, for the account at the end.
type verdict string

const (
	delivered verdict = "delivered whole"
	cached    verdict = "delivered whole, a hit"
	stale     verdict = "delivered from the store, and said to be stale"
	refused   verdict = "refused offline"
	failed    verdict = "error status"
	broken    verdict = "transfer visibly broken"
	left      verdict = "client left, prefix right"
)

// check holds an answer against what the origin held.
func (m *model) check(o op, g got) {
	v, why := m.judge(o, g)
	m.mu.Lock()
	defer m.mu.Unlock()
	// A plain request may follow what an encrypted one downloads. When that one
	// leaves, the rest is not to be had where the plain document is another.
	other := o.plain && v == broken && o.d.plain.name != o.d.name
	if why == "" && m.calm && !other && (v == stale || v == failed || v == broken) {
		why = "no fault was injected, and yet: " + string(v)
	}
	if why != "" {
		m.wrong++
		m.t.Errorf("seed %d, round %d: %s\n\t%s\n\t%d %v, %d bytes, %v\n\trecorded: %s",
			m.seed, m.round, why, o, g.status, g.header, len(g.body), g.err, m.house(o).said(o.d.host+o.d.path))
		return
	}
	m.verdicts[v]++
}

// judge says what an answer is, or why it must not be.
func (m *model) judge(o op, g got) (v verdict, wrong string) {
	offline := m.house(o).proxy.Offline
	said := g.header.Get("Cache-Status")
	hit := strings.Contains(said, "; hit")
	isStale := strings.Contains(said, "detail=upstream-failed")
	switch {
	case g.status == 0:
		return broken, ""
	case offline && g.status == http.StatusForbidden && g.header.Get("X-Cachex") == "refused":
		return refused, ""
	case g.status == http.StatusRequestedRangeNotSatisfiable && (o.kind == "range" || strings.HasPrefix(o.kind, "resume")):
		return delivered, ""
	case g.status >= 400:
		if hit {
			return "", "an error that the origin does not keep came from the store"
		}
		return failed, ""
	case g.status != http.StatusOK && g.status != http.StatusPartialContent:
		return "", "a status that the origin never gives"
	}
	old := m.mayBeOld(o.d, hit, isStale) || offline
	if o.kind == "head" && hit && o.d.etag == "" && o.d.modified == "" {
		old = true // the origin's answer does not tell the versions apart (RFC 9111 section 4.3.5)
	}
	why := o.d.isNone(o, g, m.since, old)
	if why != "" && o.plain { // which may also get what came over https
		why = o.d.plain.isNone(o, g, m.since, old)
	}
	switch {
	case why != "" && !hit && (o.d.told(g) || o.d.plain.told(g)):
		return delivered, "" // the origin's own lie, passed through and not kept
	case why != "" && !o.plain && o.d.plain.isNone(o, g, m.since, old) == "":
		return "", "an https request got what came over plain http"
	case why != "" && o.plain:
		return "", m.diagnose(o.d, g, why) + m.diagnose(o.d.plain, g, why)
	case why != "":
		return "", m.diagnose(o.d, g, why)
	case g.err == errLeft:
		return left, ""
	case g.err != nil:
		return broken, ""
	case isStale:
		return stale, ""
	case hit:
		return cached, ""
	}
	return delivered, ""
}

// mayBeOld tells whether the policy lets a document be served that is not
// current any more.
func (m *model) mayBeOld(d *paper, hit, isStale bool) bool {
	keeps := d.control == "max-age=3600" || m.mode == "rfc9111" && d.control == "" && d.modified != ""
	return isStale || hit && (keeps || m.mode == "forever")
}

// isNone tells why an answer is that of no version which may be served; ""
// when it is.
func (d *paper) isNone(o op, g got, since time.Time, old bool) (why string) {
	for _, v := range d.allowed(since, old) {
		if why = g.is(o, v); why == "" {
			break
		}
	}
	return why
}

// is tells why an answer cannot be that of a version; "" when it can.
func (g got) is(o op, v *version) string {
	want := v.body
	if g.status == http.StatusPartialContent {
		first, last, total, ok := partOf(g.header)
		if !ok || total != len(want) && g.err == nil && !o.d.announced(total) && !o.d.plain.announced(total) || first > len(want) {
			return "a part of another length of document: " + g.header.Get("Content-Range")
		}
		if g.err == nil && len(g.body) != last+1-first {
			return "a part that is shorter than it says"
		}
		want = want[first:min(last+1, len(want))]
	}
	if g.err == nil && g.length >= 0 && g.length != int64(len(want)) && g.header.Get("Content-Encoding") == "" {
		return fmt.Sprintf("it announces %d bytes, not %d", g.length, len(want))
	}
	if tag := g.header.Get("Etag"); v.etag != "" && strings.Trim(strings.TrimPrefix(tag, "W/"), `"`) != "" && !sameTag(tag, v.etag) {
		return "the entity tag of another version: " + tag
	}
	switch {
	case o.kind == "head":
		return ""
	case g.err == nil && !bytes.Equal(g.body, want):
		return "other bytes, and no failure to be seen"
	case g.err != nil && !bytes.HasPrefix(want, g.body):
		return "other bytes before the failure"
	}
	return ""
}

func sameTag(a, b string) bool {
	return strings.TrimPrefix(strings.Replace(a, `-gzip"`, `"`, 1), "W/") == strings.TrimPrefix(b, "W/")
}

// diagnose says what wrong bytes are made of.
func (m *model) diagnose(d *paper, g got, why string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var parts []string
	for _, v := range d.versions {
		n, same := 0, 0
		for i := range min(len(v.body), len(g.body)) {
			if v.body[i] == g.body[i] {
				same++
				if n == i {
					n++
				}
			}
		}
		current := ""
		if v.until.IsZero() {
			current = ", current"
		} else if v.until.After(m.since) {
			current = ", current in this round"
		}
		if v.etag != "" {
			current += " " + v.etag
		}
		parts = append(parts, fmt.Sprintf("version %d (%d bytes%s) agrees for %d, in %d", v.n, len(v.body), current, n, same))
	}
	if len(parts) > 6 {
		parts = slices.Concat(parts[:2], []string{"…"}, parts[len(parts)-3:])
	}
	return why + " [" + strconv.Itoa(len(g.body)) + " bytes; " + strings.Join(parts, "; ") + "]"
}
