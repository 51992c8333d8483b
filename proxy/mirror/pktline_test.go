package mirror

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"
)

// wire writes pkt-lines; "0000" to "0002" stand for themselves.
func wire(lines ...string) string {
	var b []byte
	for _, l := range lines {
		if l == "0000" || l == "0001" || l == "0002" {
			b = append(b, l...)
		} else {
			b = appendLine(b, l)
		}
	}
	return string(b)
}

func TestPack(t *testing.T) {
	for name, c := range map[string]struct {
		version int
		answer  string
		want    string // "" for no pack
		bad     bool
	}{
		"clone":         {2, wire("packfile\n", "\x02counting", "\x01PACK", "\x01data", "0000"), "PACKdata", false},
		"shallow":       {2, wire("shallow-info\n", "shallow x\n", "0001", "packfile\n", "\x01PACK", "0000"), "PACK", false},
		"ready":         {2, wire("acknowledgments\n", "ACK x\n", "ready\n", "0001", "packfile\n", "\x01PACK", "0000"), "PACK", false},
		"negotiation":   {2, wire("acknowledgments\n", "NAK\n", "0000"), "", false},
		"a ref's name":  {2, wire("wanted-refs\n", "packfile\n", "0000"), "", false},
		"uris":          {2, wire("packfile-uris\n", "x\n", "0001", "packfile\n", "\x01PACK", "0000"), "", true},
		"cut":           {2, wire("packfile\n", "\x01PACK"), "PACK", true},
		"cut in a line": {2, wire("packfile\n") + "0009\x01PA", "", true},
		"failed":        {2, wire("packfile\n", "\x01PACK", "\x03disk full"), "PACK", true},
		"ERR":           {2, wire("ERR no"), "", true},
		"not git":       {2, "<html>", "", true},
		"empty":         {2, "", "", false},

		"0 sideband":    {0, wire("NAK\n", "\x02counting", "\x01PACK", "0000"), "PACK", false},
		"0 raw":         {0, wire("NAK\n") + "PACKdata", "PACKdata", false},
		"0 shallow":     {0, wire("shallow x\n", "unshallow y\n", "0000", "NAK\n", "\x01PACK", "0000"), "PACK", false},
		"0 deepen none": {0, wire("0000", "NAK\n", "\x01PACK", "0000"), "PACK", false},
		"0 acks":        {0, wire("ACK x common\n", "ACK x ready\n", "NAK\n", "ACK x\n", "\x01PACK", "0000"), "PACK", false},
		"0 negotiation": {0, wire("ACK x common\n", "NAK\n"), "", false},
		"0 cut":         {0, wire("NAK\n", "\x01PACK"), "PACK", true},
	} {
		var got []byte
		pack, err := openPack(c.version, strings.NewReader(c.answer))
		if pack != nil {
			got, err = io.ReadAll(pack)
		}
		if string(got) != c.want || (err != nil) != c.bad {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

const (
	oidA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	oidB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func TestQuestion(t *testing.T) {
	for body, want := range map[string]Question{
		wire("command=ls-refs\n", "agent=git/2", "0001", "peel\n", "symrefs\n", "unborn\n", "ref-prefix HEAD\n", "ref-prefix refs/heads/\n", "0000"): {
			Version: 2, Command: "ls-refs", Peel: true, Symrefs: true, Unborn: true, Prefixes: []string{"HEAD", "refs/heads/"}},
		wire("command=fetch", "0001", "thin-pack", "want "+oidA+"\n", "want "+oidB, "have "+oidA, "done", "0000"): {
			Version: 2, Command: "fetch", Wants: []string{oidA, oidB}},
		wire("want "+oidA+" multi_ack thin-pack\n", "deepen 1", "0000", "done\n"): {Command: "fetch", Wants: []string{oidA}},
		wire("command=fetch", "0001", "want-ref refs/heads/main\n", "done", "0000"): {
			Version: 2, Command: "fetch", WantRefs: []string{"refs/heads/main"}, Moves: true},
		wire("want "+oidA+"\n", "deepen-not v1\n", "0000", "done"): {Command: "fetch", Wants: []string{oidA}, Moves: true},
		"0000": {},
	} {
		got, err := ParseQuestion(want.Version, []byte(body))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v; want %+v", body, got, err, want)
		}
	}
	for q, want := range map[*Question]bool{
		{Command: "fetch"}: true, {Command: "fetch", Moves: true}: false, {Command: "ls-refs"}: false, {}: true,
		{Command: "bundle-uri"}: false, {Command: "object-info"}: true,
	} {
		if q.Fixed() != want {
			t.Errorf("%+v: fixed %v", q, !want)
		}
	}
	if _, err := ParseQuestion(2, []byte("0032want ")); err == nil {
		t.Error("a cut question is read")
	}
	many := strings.Repeat(wire("want "+oidA), 1000)
	if q, _ := ParseQuestion(0, []byte(many)); len(q.Wants) != maxWants {
		t.Errorf("%d wants are remembered", len(q.Wants))
	}
	for field, want := range map[string]int{"": 0, "version=2": 2, "version=1": 1, "version=1:version=2": 2, "x:version=2:y=z": 2, "version=3": 0, "version=20": 0} {
		if got := Version(field); got != want {
			t.Errorf("%q is version %d", field, got)
		}
	}
}

func TestRefsBothWays(t *testing.T) {
	all := Question{Peel: true, Symrefs: true, Unborn: true}
	refs := []Ref{
		{Name: "HEAD", OID: oidA, Symref: "refs/heads/main"},
		{Name: "refs/heads/main", OID: oidA},
		{Name: "refs/tags/v1", OID: oidB, Peeled: oidA},
	}
	v, err := ParseLsRefs(all, bytes.NewReader(formatLsRefs(all, refs)))
	if err != nil || !v.All || !reflect.DeepEqual(v.Refs, refs) {
		t.Errorf("ls-refs: %+v, %v", v, err)
	}
	for version := range 2 {
		v, err = ParseAdvertisement(bytes.NewReader(formatAdvertisement(version, "", refs)))
		if err != nil || !v.All || !reflect.DeepEqual(v.Refs, refs) || !strings.Contains(v.Capabilities, "side-band-64k") {
			t.Errorf("version %d: %+v, %v", version, v, err)
		}
	}
	if v, err = ParseAdvertisement(bytes.NewReader(formatAdvertisement(0, "", nil))); err != nil || len(v.Refs) != 0 {
		t.Errorf("an empty repository: %+v, %v", v, err)
	}
	unborn := []Ref{{Name: "HEAD", Symref: "refs/heads/main"}}
	if v, err = ParseLsRefs(all, bytes.NewReader(formatLsRefs(all, unborn))); err != nil || !reflect.DeepEqual(v.Refs, unborn) {
		t.Errorf("an empty repository: %+v, %v", v, err)
	}
	for _, bad := range []string{
		wire(oidA+" refs/heads/a\nb\n", "0000"), wire("x refs/heads/a\n", "0000"), wire(oidA+" ../config\n", "0000"), wire(oidA+" refs/heads/\xff\n", "0000"), wire(oidA + " refs/heads/a\n"),
	} {
		if v, err := ParseLsRefs(all, strings.NewReader(bad)); err == nil {
			t.Errorf("%q is read as %+v", bad, v)
		}
	}
	if v, err := ParseLsRefs(Question{}, strings.NewReader("0000")); err == nil {
		t.Errorf("a view without peeled tags is kept: %+v", v)
	}
}

// Nobody but the mirror's own git gets capabilities that it would have to act
// upon.
func TestCapabilities(t *testing.T) {
	got := capabilities("multi_ack side-band-64k no-done symref=HEAD:refs/heads/x push-cert=secret session-id=s agent=git/3 filter packfile-uris", nil)
	if got != "multi_ack side-band-64k no-done filter object-format=sha1 agent=cachex" {
		t.Errorf("%q", got)
	}
}

// FuzzPktLine feeds what comes from the network to all that read it.
func FuzzPktLine(f *testing.F) {
	f.Add([]byte(wire("packfile\n", "\x02counting", "\x01PACK", "0000")))
	f.Add([]byte(wire("NAK\n") + "PACKdata"))
	f.Add([]byte(wire("command=ls-refs\n", "0001", "peel\n", "symrefs\n", "ref-prefix HEAD\n", "0000")))
	f.Add([]byte(wire("want "+oidA+" multi_ack\n", "0000", "done\n")))
	f.Add(formatAdvertisement(1, "", []Ref{{Name: "HEAD", OID: oidA, Symref: "refs/heads/main"}, {Name: "refs/tags/v1", OID: oidB, Peeled: oidA}}))
	f.Add([]byte(wire("unborn HEAD symref-target:refs/heads/main\n", oidB+" refs/tags/v1 peeled:"+oidA+"\n", "0000")))
	f.Fuzz(func(t *testing.T, data []byte) {
		for version := range 3 {
			if pack, err := openPack(version, bytes.NewReader(data)); pack != nil && err == nil {
				if n, _ := io.Copy(io.Discard, pack); n > int64(len(data)) {
					t.Errorf("%d bytes of pack out of %d", n, len(data))
				}
			}
			if q, err := ParseQuestion(version, data); err == nil && len(q.Wants) > maxWants {
				t.Errorf("%d wants", len(q.Wants))
			}
		}
		all := Question{Peel: true, Symrefs: true, Unborn: true}
		for _, parse := range []func(io.Reader) (View, error){ParseAdvertisement, func(r io.Reader) (View, error) { return ParseLsRefs(all, r) }} {
			v, err := parse(bytes.NewReader(data))
			if err != nil {
				continue
			}
			for _, r := range v.Refs {
				if !r.sound() || strings.ContainsAny(r.Name+r.Symref, " \n\x00") {
					t.Fatalf("%+v cannot be written down", r)
				}
			}
			again, err := ParseLsRefs(all, bytes.NewReader(formatLsRefs(all, v.Refs)))
			if err != nil || len(again.Refs) != len(v.Refs) {
				t.Errorf("%+v is sent as %+v, %v", v.Refs, again.Refs, err)
			}
		}
	})
}
