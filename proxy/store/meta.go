package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
	"time"
)

// Meta is what is known of a kept answer beside its bytes. Secrets (cookies,
// credentials, signatures) have been taken out before it gets here.
type Meta struct {
	URL    string      `json:"url"`
	Status int         `json:"status"`
	Header http.Header `json:"header,omitempty"`
	// Vary holds the request header fields that selected this answer, in
	// lower case, as sent (RFC 9111 section 4.1).
	Vary map[string]string `json:"vary,omitempty"`
	// VaryBy lists the sets of field names that the variants beside this answer
	// were selected by, the newest first. Only a main answer has it.
	VaryBy [][]string `json:"vary_by,omitempty"`
	// Invalid is set when a request that writes has changed the resource since
	// (RFC 9111 section 4.4).
	Invalid bool `json:"invalid,omitempty"`
	// Mine is set when a user put the answer there, with header fields: it is
	// served as it is, as a file without metadata is.
	Mine bool `json:"mine,omitempty"`
	// Below is set when the body is in a directory below (see layers.go), and Gone
	// when it is to be taken for gone there.
	Below bool `json:"below,omitempty"`
	Gone  bool `json:"gone,omitempty"`
	// Requested and Received are the request_time and response_time of
	// RFC 9111 section 4.2.3.
	Requested time.Time `json:"requested"`
	Received  time.Time `json:"received"`
	// FetchMS is how long the answer took to arrive, in milliseconds.
	FetchMS int64 `json:"fetch_ms"`
	// Body is the text of an error answer, whose file is a symbolic link.
	Body []byte `json:"body,omitempty"`

	// Size, SHA256 (hexadecimal) and ModTime describe the body's file. They
	// are set by the store and tell whether somebody changed the file.
	Size    int64     `json:"size"`
	SHA256  string    `json:"sha256,omitempty"`
	ModTime time.Time `json:"mtime,omitzero"`
}

// Plain tells whether the answer came over plain http and so never answers an
// https request.
func (m *Meta) Plain() bool { return len(m.URL) >= 5 && m.URL[:5] == "http:" }

// HasFile tells whether the answer's body is a file of its own. Errors and
// redirects are links.
func (m *Meta) HasFile() bool { return m.Status < 300 }

func metaName(k Key, variant string) string {
	return metaDir + "/" + k.Name(variant) + metaExt
}

// maxMeta bounds the metadata of an answer: the text of an error in base64, and the
// header of the largest answers, escaped.
const maxMeta = 4 << 20

var errDamaged = errors.New("its metadata is damaged")

func (s *Store) readMeta(k Key, variant string) (*Meta, error) {
	m, _, err := s.readMetaFile(k, variant)
	return m, err
}

// readState is what is known of a file that was read.
type readState struct {
	modTime time.Time
	state   fileState
}

// readMetaFile is readMeta that tells of the file, too.
func (s *Store) readMetaFile(k Key, variant string) (*Meta, readState, error) {
	b, file, err := s.readFile(metaName(k, variant), maxMeta)
	if err != nil {
		return nil, readState{}, err
	}
	m, err := parseMeta(k, b)
	return m, file, err
}

// readOpened reads a file of metadata, and closes it.
func readOpened(f *os.File, most int64) ([]byte, readState, error) {
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, readState{}, err
	}
	if fi.Size() > most {
		return nil, readState{}, errDamaged
	}
	b := make([]byte, fi.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, readState{}, errDamaged
	}
	return b, readState{fi.ModTime(), stateOf(fi)}, nil
}

// parseMeta reads the metadata of a document.
func parseMeta(k Key, b []byte) (*Meta, error) {
	m, _, err := parseText(k, b)
	return m, err
}

// parseText is parseMeta that gives the text, too: "" if it is not as writeMeta
// writes it.
func parseText(k Key, b []byte) (m *Meta, text string, err error) {
	m, text = new(Meta), string(b)
	if !m.decode(text) {
		text = ""
		if *m = (Meta{}); json.Unmarshal(b, m) != nil {
			return nil, "", errDamaged
		}
	}
	// A case-insensitive file system or a hand-made copy can bring the
	// metadata of another document here.
	if !k.isOf(m.URL) {
		return nil, "", fmt.Errorf("%w: it is that of %s", errDamaged, m.URL)
	}
	return m, text, nil
}

// tempMeta writes metadata to a temporary file, and gives its name.
func (s *Store) tempMeta(m *Meta) (string, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	var used time.Time
	if m.Mine {
		used = always()
	}
	return s.writeTemp(data, used)
}

func (s *Store) writeMeta(k Key, variant string, m *Meta) error {
	temp, err := s.tempMeta(m)
	if err != nil {
		return err
	}
	if err = s.renameInto(temp, metaName(k, variant)); err != nil {
		s.root.Remove(temp)
	}
	return err
}

// renameInto renames a file to where it belongs and makes the folders on the
// way only when they are missing, which is rare.
func (s *Store) renameInto(from, to string) error {
	err := s.rename(from, to)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := deep(strings.TrimPrefix(to, metaDir+"/")); err != nil {
		return err
	}
	for range placings { // somebody may be removing folders that are empty
		if err = s.mkdirAll(path.Dir(to)); err != nil {
			continue
		}
		if err = s.rename(from, to); err == nil {
			return nil
		}
	}
	return err
}

// mkdirAll makes a folder and those that it is in. It begins with the last, as
// makeFolders does.
func (s *Store) mkdirAll(dir string) error {
	err := s.mkdir(dir)
	if parent := path.Dir(dir); errors.Is(err, fs.ErrNotExist) && parent != "." {
		if err := s.mkdirAll(parent); err != nil {
			return err
		}
		err = s.mkdir(dir)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil // what is not a folder is noticed by who wants to put something there
}

// Meta is what is known of an answer, without its body. It marks no use.
func (s *Store) Meta(k Key, variant string) (*Meta, error) { return s.readMeta(k, variant) }
