package store

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// An export is a tar archive that tar itself can unpack to the same directory. It
// begins and ends with exportName, by which an archive that was cut is known; the
// metadata of an answer comes right before its body,
// so that whoever reads the archive as a stream knows what the body must be.
const (
	exportName   = private + "/export"
	exportFormat = 1
)

// exportHead is the content of exportName.
type exportHead struct {
	Format int  `json:"format"`
	End    bool `json:"end,omitempty"`
}

// Exporter writes what is kept as a tar archive.
type Exporter struct {
	// Since leaves out what is older; the zero time is all.
	Since time.Time
	// Leave tells of variants to be left out, as those for credentials, and leaves out
	// what the names of credentials are made with. nil leaves nothing out.
	Leave func(variant string) bool
	// Only tells of what is not left out: documents, and repositories, which are
	// wanted whole or not at all. nil is all. Goroutines call it.
	Only func(k Key) bool
	// Added is told of each answer and its bytes. nil ignores it.
	Added func(bytes int64)
	// Skip is Walker's.
	Skip func(name, reason string)
}

// exporting is an Exporter at work.
type exporting struct {
	*Store
	Exporter
	tar *tar.Writer
}

// Export writes the archive. Ranges of documents that are not whole are left out,
// and so is what is damaged. Runs may go on meanwhile.
func (s *Store) Export(w io.Writer, e Exporter) error {
	all := e.Leave == nil
	if all {
		e.Leave = func(string) bool { return false }
	}
	if e.Only == nil {
		e.Only = func(Key) bool { return true }
	}
	if e.Added == nil {
		e.Added = func(int64) {}
	}
	x := &exporting{s, e, tar.NewWriter(w)}
	err := x.mark(exportHead{Format: exportFormat})
	if err == nil && all {
		err = x.private()
	}
	if err == nil {
		err = s.Walk(Walker{
			ReadMeta: true, ReadBodies: true, Only: e.Only, Visit: x.document, Skip: e.Skip,
			unread: func(f *Form) bool { return x.older(*f, f.Meta) },
		})
	}
	if err == nil {
		err = s.Repositories(x.repository)
	}
	if err == nil {
		err = x.mark(exportHead{exportFormat, true})
	}
	if err != nil {
		return err
	}
	return x.tar.Close()
}

func (x *exporting) mark(m exportHead) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return x.small(exportName, b, time.Now())
}

// private adds the salt, without which the names of credentials mean nothing, and
// the host names that do not exist.
func (x *exporting) private() error {
	if b, err := x.root.ReadFile(saltName); err == nil {
		if err := x.small(saltName, b, time.Now()); err != nil {
			return err
		}
	}
	dir, err := x.openFolder(absentDir)
	if err != nil {
		return nil // there are none
	}
	defer dir.close()
	var names []string
	_ = dir.each(nil, func(name string, _ fs.FileMode) { names = append(names, name) }) // those left out are asked for again
	slices.Sort(names)
	for _, n := range names {
		if err := x.small(absentDir+"/"+n, nil, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

func (x *exporting) small(name string, b []byte, t time.Time) error {
	err := x.tar.WriteHeader(header(name, int64(len(b)), t))
	if err == nil {
		_, err = x.tar.Write(b)
	}
	return err
}

// header describes a file. PAX has times to the nanosecond, by which metadata
// knows its body when tar has unpacked it.
func header(name string, size int64, t time.Time) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: t, Format: tar.FormatPAX}
}

func (x *exporting) document(d *Document) error {
	for _, f := range d.Forms {
		if f.Kind == FormParts || f.Kind == FormOrphan || x.Leave(f.Variant) {
			continue
		}
		if err := x.form(d.Key, f); err != nil {
			return fmt.Errorf("export %s: %w", d.Key.Name(f.Variant), err)
		}
	}
	return nil
}

func (x *exporting) form(k Key, f Form) error {
	m, err := f.Meta, error(nil)
	if m == nil {
		m, err = x.readMeta(k, f.Variant)
	}
	if errors.Is(err, errDamaged) || m != nil && m.Gone {
		return nil // it is no answer
	}
	if x.older(f, m) {
		return nil
	}
	switch f.Kind {
	case FormNote:
		return x.meta(k, f, m)
	case FormStatus:
		if m != nil && fmt.Sprint(m.Status) == f.Status {
			if err := x.meta(k, f, m); err != nil {
				return err
			}
		}
		h := header(f.Name, 0, x.timeOf(f, m))
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, f.Status, 0o777
		x.Added(0)
		return x.tar.WriteHeader(h)
	}
	return x.body(k, f)
}

// older tells whether a form is left out: it came, or was put there, before Since.
func (x *exporting) older(f Form, m *Meta) bool {
	return !x.Since.IsZero() && x.timeOf(f, m).Before(x.Since)
}

func (x *exporting) timeOf(f Form, m *Meta) time.Time {
	t := f.ModTime
	if m != nil && m.Received.After(t) {
		t = m.Received
	}
	if t.IsZero() {
		t = f.Used
	}
	return t
}

func (x *exporting) meta(k Key, f Form, m *Meta) error {
	if m == nil {
		return nil
	}
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return x.small(metaName(k, f.Variant), b, f.Used.Truncate(time.Second)) // a fraction is half a kilobyte more
}

// read adds a file and metadata that the walk has read, if one describes the other.
func (x *exporting) read(k Key, f Form) (bool, error) {
	if f.body == nil || f.text == "" || f.Meta.Size != f.Size || !f.Meta.ModTime.Equal(f.ModTime) {
		return false, nil
	}
	err := x.small(metaName(k, f.Variant), []byte(f.text), f.Used.Truncate(time.Second))
	if err == nil {
		err = x.small(f.Name, f.body, f.ModTime)
	}
	x.Added(f.Size)
	return true, err
}

// body adds a file, with its metadata if that describes it. It may be another file
// by now, or none.
func (x *exporting) body(k Key, f Form) error {
	if ok, err := x.read(k, f); ok {
		return err
	}
	file, fi, err := x.openBody(k.Name(f.Variant))
	if err != nil {
		return nil // removed meanwhile
	}
	defer file.Close()
	m, err := x.readMeta(k, f.Variant)
	known := err == nil && m.Size == fi.Size() && (m.ModTime.Equal(fi.ModTime()) || x.sameDigest(file, m.SHA256))
	switch {
	case known:
		m.ModTime = fi.ModTime()
		if err := x.meta(k, f, m); err != nil {
			return err
		}
	case err == nil && m.ModTime.Equal(fi.ModTime()):
		return nil // it was cut
	case x.writing(k, f.Variant):
		return nil // its metadata is on the way
	}
	if err := x.tar.WriteHeader(header(f.Name, fi.Size(), fi.ModTime())); err != nil {
		return err
	}
	if _, err := io.CopyN(x.tar, file, fi.Size()); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it was cut while it was read")
		}
		return err
	}
	x.Added(fi.Size())
	return nil
}

// repository adds a mirror: what is referred to before what refers to it, so that
// an archive that was cut claims nothing that is not there.
func (x *exporting) repository(r Repository) error {
	if x.Leave(r.Variant) || !x.Only(r.Key) || !x.Since.IsZero() && r.Changed.Before(x.Since) {
		return nil
	}
	var names []string
	err := fs.WalkDir(x.root.FS(), r.Name, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && mirrored(strings.TrimPrefix(name, r.Name+"/")) {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	rank := func(name string) int {
		switch rest := strings.TrimPrefix(name, r.Name+"/"); {
		case strings.HasSuffix(rest, ".pack"):
			return 0
		case strings.HasPrefix(rest, "objects/"):
			return 1
		case strings.HasPrefix(rest, "refs/"):
			return 2
		}
		return 3
	}
	slices.SortFunc(names, func(a, b string) int {
		if c := rank(a) - rank(b); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		if ok, err := x.file(name); err != nil || !ok {
			return err
		}
	}
	return nil
}

// file adds a file as it is. It reports false when it has gone.
func (x *exporting) file(name string) (bool, error) {
	f, err := x.open(name)
	if err != nil {
		return false, nil
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return false, err
	}
	if err := x.tar.WriteHeader(header(name, fi.Size(), fi.ModTime())); err != nil {
		return false, err
	}
	_, err = io.CopyN(x.tar, f, fi.Size())
	x.Added(fi.Size())
	return err == nil, err
}

// mirrored tells whether a name is that of a file of a mirror that others may have
// as well (see package mirror), and can lead nowhere else.
func mirrored(name string) bool {
	dir, file := path.Split(name)
	if file == "" || strings.HasPrefix(file, ".") || strings.HasPrefix(file, "tmp_") || strings.ContainsFunc(file, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '.' || r == '_')
	}) {
		return false
	}
	// objects/info may have a list of other folders for git to look into.
	return slices.Contains([]string{"objects/pack/", "refs/", "fed/"}, dir)
}
