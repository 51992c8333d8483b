package mirror

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// View is what a server said of its refs at one time.
type View struct {
	Time time.Time `json:"time"`
	// All is set when it spoke of all its refs, else it did of those whose
	// names begin with one of Prefixes.
	All      bool     `json:"all,omitempty"`
	Prefixes []string `json:"prefixes,omitempty"`
	Refs     []Ref    `json:"refs"`
	// Capabilities are those of an advertisement in protocol 0 or 1.
	Capabilities string `json:"capabilities,omitempty"`
}

// Ref is a name in a repository.
type Ref struct {
	Name   string `json:"name"`
	OID    string `json:"oid,omitempty"`    // "" for a branch to be
	Symref string `json:"symref,omitempty"` // what it is another name of
	Peeled string `json:"peeled,omitempty"` // what the tag is of
}

// ParseLsRefs reads the answer to an ls-refs (gitprotocol-v2(5)).
func ParseLsRefs(q Question, answer io.Reader) (View, error) {
	v := View{All: len(q.Prefixes) == 0, Prefixes: q.Prefixes}
	if !q.Peel || !q.Symrefs {
		return v, fmt.Errorf("read refs: the question leaves out what others ask for")
	}
	p := newPackets(answer)
	for {
		k, payload, err := p.next()
		switch {
		case err == io.EOF:
			return v, io.ErrUnexpectedEOF
		case err != nil:
			return v, err
		case k != line:
			return v, nil
		}
		ref, err := parseRef(text(payload))
		if err != nil {
			return v, err
		}
		v.Refs = append(v.Refs, ref)
	}
}

func parseRef(s string) (Ref, error) {
	words := strings.Split(s, " ")
	if len(words) < 2 || words[0] != "unborn" && !isOID(words[0]) || !isRefName(words[1]) {
		return Ref{}, fmt.Errorf("read refs: %.200q is none", s)
	}
	ref := Ref{Name: words[1]}
	if words[0] != "unborn" {
		ref.OID = words[0]
	}
	for _, w := range words[2:] {
		if to, ok := strings.CutPrefix(w, "symref-target:"); ok && isRefName(to) {
			ref.Symref = to
		}
		if oid, ok := strings.CutPrefix(w, "peeled:"); ok && isOID(oid) {
			ref.Peeled = oid
		}
	}
	return ref, nil
}

// ParseAdvertisement reads the refs that protocols 0 and 1 begin with
// (gitprotocol-http(5), gitprotocol-pack(5)).
func ParseAdvertisement(answer io.Reader) (View, error) {
	v := View{All: true}
	p := newPackets(answer)
	service := false
	for {
		k, payload, err := p.next()
		switch {
		case err == io.EOF:
			return v, io.ErrUnexpectedEOF
		case err != nil:
			return v, err
		case k != line && service: // the flush behind the service
			service = false
			continue
		case k != line:
			return v, nil
		}
		s := text(payload)
		switch {
		case strings.HasPrefix(s, "# service="):
			service = true
		case s == "version 1", strings.HasPrefix(s, "shallow "):
		default:
			if err := v.advertised(s); err != nil {
				return v, err
			}
		}
	}
}

func (v *View) advertised(s string) error {
	s, caps, first := strings.Cut(s, "\x00")
	if first && v.Capabilities == "" {
		v.Capabilities = caps
	}
	oid, name, ok := strings.Cut(s, " ")
	if ok && name == "capabilities^{}" { // there are no refs
		return nil
	}
	if tag, peeled := strings.CutSuffix(name, "^{}"); peeled && isOID(oid) {
		if n := len(v.Refs); n > 0 && v.Refs[n-1].Name == tag {
			v.Refs[n-1].Peeled = oid
			return nil
		}
	}
	if !isOID(oid) || !isRefName(name) {
		return fmt.Errorf("read refs: %.200q is none", s)
	}
	v.Refs = append(v.Refs, Ref{Name: name, OID: oid, Symref: symref(v.Capabilities, name)})
	return nil
}

// symref is the target that capabilities tell for a name.
func symref(caps, name string) string {
	for c := range strings.SplitSeq(caps, " ") {
		if to, ok := strings.CutPrefix(c, "symref="+name+":"); ok && isRefName(to) {
			return to
		}
	}
	return ""
}

// isRefName tells whether a name can be sent and written down, one on a line
// and as JSON.
func isRefName(s string) bool {
	return utf8.ValidString(s) && (s == "HEAD" || strings.HasPrefix(s, "refs/")) && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r)
	})
}

// sound tells whether a ref can be sent and written down.
func (r *Ref) sound() bool {
	return isRefName(r.Name) && (r.OID == "" || isOID(r.OID)) &&
		(r.Symref == "" || isRefName(r.Symref)) && (r.Peeled == "" || isOID(r.Peeled))
}

// defaultCapabilities are those of protocol 0 that git's own upload-pack has
// and that ask nothing of the one who serves.
const defaultCapabilities = "multi_ack thin-pack side-band side-band-64k ofs-delta shallow deepen-since deepen-not " +
	"deepen-relative no-progress include-tag multi_ack_detailed allow-tip-sha1-in-want allow-reachable-sha1-in-want no-done filter"

// capabilities are what is advertised of recorded ones.
func capabilities(recorded string, refs []Ref) string {
	if recorded == "" {
		recorded = defaultCapabilities
	}
	var kept []string
	for c := range strings.SplitSeq(recorded, " ") {
		name, _, _ := strings.Cut(c, "=")
		if c != "" && strings.Contains(" "+defaultCapabilities+" ", " "+name+" ") {
			kept = append(kept, c)
		}
	}
	size := sha1Size
	for _, r := range refs {
		if r.Symref != "" {
			kept = append(kept, "symref="+r.Name+":"+r.Symref)
		}
		size = max(size, len(r.OID))
	}
	format := "sha1"
	if size == sha256Size {
		format = "sha256"
	}
	return strings.Join(append(kept, "object-format="+format, "agent=cachex"), " ")
}

// formatLsRefs is the answer to an ls-refs with the refs it may have.
func formatLsRefs(q Question, refs []Ref) []byte {
	var b []byte
	for _, r := range refs {
		var s strings.Builder
		switch {
		case r.OID != "":
			s.WriteString(r.OID + " " + r.Name)
		case q.Unborn:
			s.WriteString("unborn " + r.Name)
		default:
			continue
		}
		if q.Symrefs && r.Symref != "" {
			s.WriteString(" symref-target:" + r.Symref)
		}
		if q.Peel && r.Peeled != "" {
			s.WriteString(" peeled:" + r.Peeled)
		}
		b = appendLine(b, s.String()+"\n")
	}
	return append(b, "0000"...)
}

// formatAdvertisement is what protocols 0 and 1 begin with.
func formatAdvertisement(version int, recorded string, refs []Ref) []byte {
	b := append(appendLine(nil, "# service=git-upload-pack\n"), "0000"...)
	if version == 1 {
		b = appendLine(b, "version 1\n")
	}
	caps := "\x00" + capabilities(recorded, refs)
	for _, r := range refs {
		if r.OID == "" {
			continue
		}
		b = appendLine(b, r.OID+" "+r.Name+caps+"\n")
		caps = ""
		if r.Peeled != "" {
			b = appendLine(b, r.Peeled+" "+r.Name+"^{}\n")
		}
	}
	if caps != "" {
		b = appendLine(b, string(bytes.Repeat([]byte("0"), sha1Size))+" capabilities^{}"+caps+"\n")
	}
	return append(b, "0000"...)
}
