package store

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrNoExport says that an archive is none that Export has written.
var ErrNoExport = errors.New("not an archive of exported answers")

// Importer reads what Export wrote, and trusts nothing in it: names, links, sizes
// and digests are those of answers, or skipped.
type Importer struct {
	// Kept takes secrets out of the fields of an answer. It must be set.
	Kept func(http.Header) http.Header
	// Private tells of variants for credentials: they mean something in the
	// directory alone that they came from, unless this one is new. nil knows none.
	Private func(variant string) bool
	// Added is told of each answer that was taken, and its bytes. nil ignores it.
	Added func(bytes int64)
	// Skip is told of what was not taken, and why. nil ignores it.
	Skip func(name, reason string)
}

// Imported is what an Importer did.
type Imported struct {
	Taken int
	Bytes int64
	// Here counts what was there already, as new or newer, or as a user's own.
	Here int
	// Skipped counts what was not taken for a reason that was told.
	Skipped int
}

// importing is an Importer at work.
type importing struct {
	*Store
	Importer
	Imported
	tar     *tar.Reader
	foreign bool     // names of credentials are another directory's
	last    *pending // metadata whose body has not come yet
	near    nearby
	placer  placer
}

// pending is metadata, which comes before its body.
type pending struct {
	key     Key
	variant string
	meta    *Meta
	used    time.Time
}

const notItsBytes = "its bytes are not what its metadata says"

// maxTail bounds what is read after the last entry: tar pads its archives with zeros.
const maxTail = 1 << 20

// smallFile is what may be begun without a look at the room that is left: asking
// takes as long as to write it.
const smallFile = 1 << 20

// Import takes what is in an archive and newer than what is here, each answer as
// a whole or not at all. What was taken before an error stays, and is not taken
// again when it is done again.
func (s *Store) Import(r io.Reader, i Importer) (Imported, error) {
	if s.readOnly {
		return Imported{}, ErrReadOnly
	}
	if i.Private == nil {
		i.Private = func(string) bool { return false }
	}
	if i.Added == nil {
		i.Added = func(int64) {}
	}
	if i.Skip == nil {
		i.Skip = func(string, string) {}
	}
	x := &importing{Store: s, Importer: i, tar: tar.NewReader(r), foreign: true}
	x.startPlacer()
	err := x.entries(r)
	if e := x.stopPlacer(); e != nil {
		err = e
	}
	return x.Imported, err
}

// entries takes all entries of the archive.
func (x *importing) entries(r io.Reader) error {
	if err := x.head(); err != nil {
		return err
	}
	for {
		h, err := x.tar.Next()
		switch {
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err == nil && h.Name == exportName:
			x.orphan()
			_, _ = io.CopyN(io.Discard, r, maxTail) // or who writes it sees a broken pipe
			return nil
		}
		if err == nil {
			err = x.entry(h)
		}
		if err != nil {
			return err
		}
	}
}

func (x *importing) head() error {
	h, err := x.tar.Next()
	if err != nil || h.Name != exportName || h.Size > maxMeta {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		return ErrNoExport
	}
	var head exportHead
	if err := json.NewDecoder(x.tar).Decode(&head); err != nil {
		return ErrNoExport
	}
	if head.Format != exportFormat {
		return fmt.Errorf("the archive has format %d, and this version of cachex knows %d", head.Format, exportFormat)
	}
	return nil
}

// skip says why something is not taken.
func (x *importing) skip(name, reason string) error {
	err := x.settle()
	x.Skipped++
	x.Skip(name, reason)
	return err
}

// orphan forgets metadata whose body has not come.
func (x *importing) orphan() {
	if x.last != nil {
		_ = x.skip(x.last.key.Name(x.last.variant), "its file is not in the archive")
		x.last = nil
	}
}

// entry takes one entry of the archive. An error is the archive's or the disk's
// and ends the import.
func (x *importing) entry(h *tar.Header) error {
	if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeSymlink {
		return x.skip(h.Name, "it is neither a file nor a link")
	}
	file := h.Typeflag == tar.TypeReg
	if strings.HasPrefix(h.Name, private+"/") && !strings.HasPrefix(h.Name, metaDir+"/") {
		if err := x.settle(); err != nil {
			return err
		}
	}
	if h.Size > smallFile && h.Size > freeBytes(x.root) {
		return fmt.Errorf("%s has %d bytes: %w", h.Name, h.Size, syscall.ENOSPC)
	}
	switch {
	case h.Name == saltName && file:
		return x.importSalt()
	case strings.HasPrefix(h.Name, metaDir+"/") && file:
		return x.meta(h)
	case strings.HasPrefix(h.Name, absentDir+"/") && file:
		host := path.Base(h.Name)
		if k, _, err := ParseName(host + "/x"); err == nil && absentName(k.Host) == h.Name {
			x.NoteName(k.Host, false)
			return nil
		}
	case strings.HasPrefix(h.Name, gitDir+"/") && file:
		return x.mirror(h)
	case !strings.HasPrefix(h.Name, private+"/"):
		return x.answer(h)
	}
	return x.skip(h.Name, "it is of no kind that is taken")
}

// importSalt takes the archive's salt if nothing was named with this directory's yet.
func (x *importing) importSalt() error {
	salt, err := io.ReadAll(io.LimitReader(x.tar, saltSize+1))
	if err != nil || len(salt) != saltSize {
		return err
	}
	if slices.Equal(salt, x.salt) {
		x.foreign = false
		return nil
	}
	used := false
	err = x.Walk(Walker{Visit: func(*Document) error {
		used = true
		return fs.SkipAll
	}})
	if used || err != nil {
		return nil
	}
	temp := tempDir + "/" + randomName()
	if err = x.root.WriteFile(temp, salt, 0o600); err == nil {
		err = x.root.Rename(temp, saltName)
	}
	if err == nil {
		x.salt, x.foreign = salt, false
	}
	return err
}

// meta reads metadata, and keeps it in mind until its body comes.
func (x *importing) meta(h *tar.Header) error {
	x.orphan()
	name, ok := strings.CutSuffix(strings.TrimPrefix(h.Name, metaDir+"/"), metaExt)
	k, variant, err := ParseName(name)
	if !ok || err != nil {
		return x.skip(h.Name, ErrName.Error())
	}
	if h.Size > maxMeta {
		return x.skip(h.Name, "there is too much of it")
	}
	b, err := io.ReadAll(x.tar)
	if err != nil {
		return err
	}
	m, err := parseMeta(k, b)
	if err != nil || m.Status < 200 || m.Status > 599 || len(m.Body) > MaxStatusBody {
		return x.skip(h.Name, errDamaged.Error())
	}
	m.Header, m.Below, m.Gone = x.Kept(m.Header), false, false
	p := &pending{k, variant, m, h.ModTime}
	if m.Mine {
		p.used = always()
	}
	if !isNote(variant) {
		x.last = p
		return nil
	}
	if x.private(name, variant) {
		return nil
	}
	base := strings.TrimSuffix(strings.TrimSuffix(variant, noteVariant), ",")
	if err := x.settle(); err != nil {
		return err
	}
	if _, err := x.readMeta(k, variant); err == nil {
		x.Here++
		return nil
	}
	if err := x.PutNote(k, base, m); err != nil {
		return err
	}
	x.took(p, 0)
	return nil
}

// private tells of an answer for credentials that are named in another way here.
func (x *importing) private(name, variant string) bool {
	if !x.foreign || !x.Private(variant) {
		return false
	}
	_ = x.skip(name, "it is for credentials, which only the directory that it came from knows")
	return true
}

// answer takes a body or a link.
func (x *importing) answer(h *tar.Header) error {
	p := x.last
	x.last = nil
	k, variant, err := ParseName(h.Name)
	if p != nil && (err != nil || p.key != k || p.variant != variant) {
		x.last = p
		x.orphan()
		p = nil
	}
	switch {
	case err != nil:
		return x.skip(h.Name, ErrName.Error())
	case p == nil && variant != "":
		return x.skip(h.Name, "a form of a document needs metadata")
	case x.private(h.Name, variant):
		return nil
	}
	if isSmall(h, p) {
		return x.small(h, p)
	}
	if err := x.settle(); err != nil {
		return err
	}
	fresh := p != nil && x.none(h.Name, metaName(k, variant))
	switch {
	case !fresh && x.here(k, variant, p):
		x.Here++
		return nil
	case h.Typeflag == tar.TypeSymlink:
		return x.status(h, k, variant, p)
	}
	return x.body(h, k, variant, p, fresh)
}

// here tells whether what is here is as good: the user's own, or as new.
func (x *importing) here(k Key, variant string, p *pending) bool {
	e, err := x.Get(k, variant)
	if err != nil {
		return false
	}
	e.Close()
	return e.Own || p == nil || !e.Received.Before(p.meta.Received)
}

func (x *importing) status(h *tar.Header, k Key, variant string, p *pending) error {
	if !isStatus(h.Linkname) {
		return x.skip(h.Name, "its link is no status code")
	}
	if p == nil {
		status, _ := strconv.Atoi(h.Linkname) // it is one
		if err := x.PutOwnStatus(k, status); err != nil {
			return err
		}
		x.took(&pending{key: k}, 0)
		return nil
	}
	sum := sha256.Sum256(p.meta.Body)
	if strconv.Itoa(p.meta.Status) != h.Linkname || p.meta.SHA256 != "" && hex.EncodeToString(sum[:]) != p.meta.SHA256 {
		return x.skip(h.Name, errDamaged.Error())
	}
	lock, err := x.Lock(context.Background(), k, variant)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	variants := p.meta.VaryBy
	if err := x.PutStatus(k, variant, p.meta); err != nil {
		return err
	}
	return x.finish(p, variants, 0)
}

func (x *importing) body(h *tar.Header, k Key, variant string, p *pending, fresh bool) error {
	if p != nil && (p.meta.Size != h.Size || !p.meta.HasFile()) {
		return x.skip(h.Name, "its size is not what its metadata says")
	}
	w, err := x.Create()
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := io.Copy(w, x.tar); err != nil {
		return err
	}
	if p != nil && w.SHA256() != p.meta.SHA256 {
		return x.skip(h.Name, notItsBytes)
	}
	if fresh {
		if x.placeBody(w, h.Name, p) {
			x.count(h.Size)
			return nil
		}
		x.near.close() // it may be of folders that are removed
	}
	if p != nil {
		return x.commit(w, p, fresh)
	}
	lock, err := x.Lock(context.Background(), k, variant)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if err := w.CommitOwn(k); err != nil {
		return err
	}
	x.took(&pending{key: k}, h.Size)
	return nil
}

// finish notes which variants are beside an answer, and when it was last used.
func (x *importing) finish(p *pending, variants [][]string, bytes int64) error {
	for _, names := range slices.Backward(variants[:min(len(variants), maxVaryBy)]) {
		if err := x.AddVaryBy(p.key, p.variant, names); err != nil {
			return err
		}
	}
	x.took(p, bytes)
	return nil
}

func (x *importing) took(p *pending, bytes int64) {
	if !p.used.IsZero() && (p.used.Before(time.Now()) || p.meta.Mine) {
		_ = x.root.Chtimes(metaName(p.key, p.variant), time.Time{}, p.used) // or it counts as used now
	}
	x.count(bytes)
}

func (x *importing) count(bytes int64) {
	x.Taken++
	x.Bytes += bytes
	x.Added(bytes)
}

// mirror takes a file of a git repository's mirror. Each has a name that says what
// is in it: what is here already is the same.
func (x *importing) mirror(h *tar.Header) error {
	document, file, ok := strings.Cut(strings.TrimPrefix(h.Name, gitDir+"/"), repositoryExt+"/")
	_, variant, err := ParseName(document)
	if !ok || err != nil || !mirrored(file) {
		return x.skip(h.Name, "it is no file of a git repository's mirror")
	}
	if x.private(h.Name, variant) {
		return nil
	}
	if _, err := x.root.Lstat(h.Name); err == nil {
		x.Here++
		return nil
	}
	temp := tempDir + "/" + randomName()
	if _, err = x.copyBody(x.tar, temp); err != nil {
		return err
	}
	if err = x.renameInto(temp, h.Name); err != nil {
		x.root.Remove(temp)
		return err
	}
	x.took(&pending{}, h.Size)
	return nil
}
