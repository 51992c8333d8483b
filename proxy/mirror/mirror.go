// Package mirror keeps the git objects and refs that fetches brought, so that
// other fetches of the same repository can be answered without it.
//
// A repository is a folder that only this package writes to:
//
//	objects/            packs, as git keeps them
//	refs/TIME-SUM.json  a View: what the server said of its refs, and when
//	refs/TIME-SUM.json.fetched  objects of that view's refs were fetched
//	fed/SHA256          the answer with this digest is in objects/
//	lock                held while objects/ is written to
//
// It has no configuration, no hooks and no refs that git would find: each git
// command runs on a bare repository of its own in a private temporary folder,
// which borrows objects/. So a cache directory that came from elsewhere cannot
// make git do anything, and one that is read-only can be served from. Whether
// all objects that a fetch asks for are there is for git to find out: no
// boundary of a shallow or partial fetch is ever noted, so a walk that leaves
// what was fetched fails, and then there is no answer.
//
// Formats: gitprotocol-common(5), gitprotocol-pack(5), gitprotocol-v2(5),
// gitprotocol-http(5).
package mirror

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// NoneError says why a mirror has no answer.
type NoneError struct {
	Reason string
	Err    error // what git said, nil if it was not asked
}

func (e *NoneError) Error() string { return e.Reason }

// Unwrap is for errors.Is.
func (e *NoneError) Unwrap() error { return e.Err }

// Mirrors are the repositories below one folder. Set Dir before use, and Close
// it. It is safe for concurrent use, by several processes as well.
type Mirrors struct {
	// Dir is made when the first repository is fed.
	Dir string
	// Below are folders of mirrors that are read as well, and never written to.
	Below []string
	// Git is the program to run, "" for the one that PATH has. Without any
	// there are no mirrors.
	Git string

	once    sync.Once
	git     string        // "" without git
	turns   chan struct{} // holds one for each fetch that is being answered
	mu      sync.Mutex
	closed  bool
	scratch *scratch // nil before it is needed
}

// program is the git to run, "" when there is none.
func (m *Mirrors) program() string {
	m.once.Do(func() {
		m.git = findGit(m.Git)
		m.turns = make(chan struct{}, maxFetches)
	})
	return m.git
}

// Close removes what git commands needed for the time being. There are no
// answers after it.
func (m *Mirrors) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	if m.scratch == nil {
		return nil
	}
	err := m.scratch.close()
	m.scratch = nil
	return err
}

// suffix ends a repository's folder: names of the store never have it, so that
// /a.git and /a.git/objects are two repositories.
const suffix = "%.git"

// maxFetches is how many fetches are answered at a time. Each may take as much
// memory as git does for a clone; a hundred submodules can wait.
const maxFetches = 8

// Repository is what is kept of one.
type Repository struct {
	mirrors *Mirrors
	name    string // slash-separated, below Mirrors.Dir
}

// Repository names one by a clean slash-separated path.
func (m *Mirrors) Repository(name string) *Repository {
	return &Repository{m, name + suffix}
}

// layer is the repository's folder in one of the folders of mirrors. It is an
// os.Root, so that no link in the directory leads out of it.
type layer struct {
	*os.Root
	dir string // of the mirrors
}

// layers opens the repository's folders, that below Mirrors.Dir first. It is an
// error when there is none. Close them.
func (r *Repository) layers() (layers, error) {
	var found layers
	for _, dir := range append([]string{r.mirrors.Dir}, r.mirrors.Below...) {
		all, err := os.OpenRoot(dir)
		if err != nil {
			continue
		}
		if root, err := all.OpenRoot(r.name); err == nil {
			found = append(found, layer{root, dir})
		}
		all.Close()
	}
	if len(found) == 0 {
		return nil, &NoneError{Reason: "nothing of the repository was fetched before"}
	}
	return found, nil
}

type layers []layer

func (all layers) close() {
	for _, l := range all {
		l.Close()
	}
}

// has tells whether a file is in one of them.
func (all layers) has(name string) bool {
	return slices.ContainsFunc(all, func(l layer) bool {
		_, err := l.Lstat(name)
		return err == nil
	})
}

// create opens the repository's folder to be written to, and makes it when it is
// not there yet.
func (r *Repository) create() (*os.Root, error) {
	if err := os.MkdirAll(r.mirrors.Dir, 0o755); err != nil {
		return nil, err
	}
	all, err := os.OpenRoot(r.mirrors.Dir)
	if err != nil {
		return nil, err
	}
	defer all.Close()
	for _, d := range []string{objectsDir + "/pack", objectsDir + "/info", viewsDir, fedDir} {
		if err := all.MkdirAll(path.Join(r.name, d), 0o755); err != nil {
			return nil, err
		}
	}
	return all.OpenRoot(r.name)
}

const (
	objectsDir = "objects"
	viewsDir   = "refs"
	fedDir     = "fed"
	lockName   = "lock"
)

// Fed tells whether the answer with a digest has been fed.
func (r *Repository) Fed(sha256 string) bool {
	all, err := r.layers()
	if err != nil {
		return false
	}
	defer all.close()
	return all.has(fedDir + "/" + sha256)
}

// Feed takes the objects out of the answer to a fetch, whose bytes have the
// digest sha256. Feeding the same answer again does nothing. A process that
// dies meanwhile leaves nothing but a file that the next Feed removes.
func (r *Repository) Feed(ctx context.Context, q Question, answer io.Reader, sha256 string) error {
	if r.mirrors.program() == "" || !isName(sha256) {
		return nil
	}
	if r.fedBelow(sha256) {
		return nil
	}
	root, err := r.create()
	if err != nil {
		return err
	}
	defer root.Close()
	unlock, err := r.lock(ctx, root)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := root.Lstat(fedDir + "/" + sha256); err != nil {
		if err := r.feed(ctx, q, answer); err != nil {
			return fmt.Errorf("feed %s: %w", r.name, err)
		}
		if err := touch(root, fedDir+"/"+sha256); err != nil {
			return err
		}
	}
	return r.markFetched(root, q)
}

// fedBelow tells whether a folder that is only read has what an answer holds.
func (r *Repository) fedBelow(sha256 string) bool {
	all, err := r.layers()
	if err != nil {
		return false
	}
	defer all.close()
	if all[0].dir == r.mirrors.Dir {
		return all[1:].has(fedDir + "/" + sha256)
	}
	return all.has(fedDir + "/" + sha256)
}

func (r *Repository) feed(ctx context.Context, q Question, answer io.Reader) error {
	pack, err := openPack(q.Version, answer)
	if err != nil || pack == nil {
		return err
	}
	return r.indexPack(ctx, q.hashSize(), pack)
}

// lockPoll is how often a lock that another process holds is tried again.
const lockPoll = 20 * time.Millisecond

// lock waits until no other process writes to the objects. What has the name
// of a temporary file then is left from one that died.
func (r *Repository) lock(ctx context.Context, root *os.Root) (unlock func(), err error) {
	f, err := root.OpenFile(lockName, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for !flockFile(f) {
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(lockPoll):
		}
	}
	for _, name := range names(root, objectsDir+"/pack") {
		if strings.HasPrefix(name, "tmp_") || strings.HasPrefix(name, ".tmp-") { // index-pack's and repack's
			root.Remove(objectsDir + "/pack/" + name)
		}
	}
	return func() { f.Close() }, nil
}

func names(root *os.Root, dir string) []string {
	f, err := root.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	list, _ := f.Readdirnames(-1) // what could be read is as good
	return list
}

func touch(root *os.Root, name string) error {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// isName tells whether a text of hexadecimal digits can be a file's name.
func isName(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdef") == ""
}
