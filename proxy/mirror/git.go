package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func findGit(name string) string {
	if name == "" {
		name = "git"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	if path, err = filepath.Abs(path); err != nil {
		return ""
	}
	return path
}

func noGit() error {
	return &NoneError{Reason: "there is no git on this machine to ask the mirror with"}
}

// scratch is the private folder of this process for git's repositories.
type scratch struct {
	dir  string
	lock *os.File
}

const scratchPrefix = "cachex-git-"

// newScratch makes the folder, and removes those of processes that died.
func newScratch() (*scratch, error) {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), scratchPrefix+"*")) // the pattern is well formed
	for _, dir := range left {
		sweepScratch(dir)
	}
	dir, err := os.MkdirTemp("", scratchPrefix)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	flockFile(f) // nobody else knows it yet; without flock(2) nobody sweeps
	return &scratch{dir, f}, nil
}

// lockless is the age at which a folder without a lock belongs to nobody: its
// process died before it had one, or while it was being removed.
const lockless = time.Hour

func sweepScratch(dir string) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if fi, err := os.Lstat(dir); err == nil && time.Since(fi.ModTime()) > lockless {
			os.RemoveAll(dir)
		}
		return
	}
	if err != nil {
		return // another user's
	}
	defer f.Close()
	if flockFile(f) {
		os.RemoveAll(dir)
	}
}

func (s *scratch) close() error {
	err := os.RemoveAll(s.dir)
	s.lock.Close()
	return err
}

// Temp makes a file for an answer. Remove it when it was sent.
func (m *Mirrors) Temp() (*os.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(); err != nil {
		return nil, err
	}
	return os.CreateTemp(m.scratch.dir, "answer-")
}

// begin makes the private folder when it is first needed.
func (m *Mirrors) begin() (err error) {
	if m.closed {
		return os.ErrClosed
	}
	if m.scratch == nil {
		m.scratch, err = newScratch()
	}
	return err
}

// bare makes an empty repository for one git command.
func (m *Mirrors) bare(hashSize int, refs []Ref) (dir string, remove func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(); err != nil {
		return "", nil, err
	}
	if dir, err = os.MkdirTemp(m.scratch.dir, ""); err != nil {
		return "", nil, err
	}
	config := "[core]\n\tbare = true\n\trepositoryformatversion = 0\n"
	if hashSize == sha256Size {
		config = "[core]\n\tbare = true\n\trepositoryformatversion = 1\n[extensions]\n\tobjectFormat = sha256\n"
	}
	// What refs may be asked for is not for the mirror to say: the objects are
	// those that the same client, or one with the same credentials, got.
	config += "[uploadpack]\n\tallowAnySHA1InWant = true\n\tallowFilter = true\n\tallowRefInWant = true\n\tadvertiseBundleURIs = false\n" +
		"[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[index]\n\tthreads = 1\n"
	var packed strings.Builder
	head := "refs/heads/none" // git wants a branch there, real or not
	for _, r := range refs {
		if r.Name == "HEAD" && r.Symref != "" {
			head = r.Symref
		}
		if r.OID != "" && r.Name != "HEAD" && len(r.OID) == hashSize {
			packed.WriteString(r.OID + " " + r.Name + "\n")
		}
	}
	err = errors.Join(
		os.Mkdir(filepath.Join(dir, "refs"), 0o700),
		os.WriteFile(filepath.Join(dir, "HEAD"), []byte("ref: "+head+"\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600),
		os.WriteFile(filepath.Join(dir, "packed-refs"), []byte(packed.String()), 0o600))
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, err
	}
	return dir, func() { os.RemoveAll(dir) }, nil
}

// killDelay is how long a git that was told to end may hold its output open.
const killDelay = time.Second

// command is git on a repository of its own, which has the mirror's objects. It
// sees nothing of the user's configuration and of the environment.
func (m *Mirrors) command(ctx context.Context, bare string, from objects, protocol string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, m.program(), args...)
	cmd.WaitDelay = killDelay
	ownGroup(cmd)
	cmd.Dir = bare
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + bare, "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_ATTR_NOSYSTEM=1",
		"GIT_DIR=" + bare, "GIT_OBJECT_DIRECTORY=" + from.dir, "GIT_PROTOCOL=" + protocol,
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_NO_LAZY_FETCH=1", "GIT_TERMINAL_PROMPT=0",
	}
	if len(from.below) > 0 {
		cmd.Env = append(cmd.Env, "GIT_ALTERNATE_OBJECT_DIRECTORIES="+quotedList(from.below))
	}
	return cmd
}

// run runs git and gives what it said when it failed.
func run(cmd *exec.Cmd) error {
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %.500s", cmd, err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

// indexPack puts a pack into objects/. The bases of a thin pack are there if
// what the client has came through here.
func (r *Repository) indexPack(ctx context.Context, hashSize int, pack io.Reader) error {
	bare, remove, err := r.mirrors.bare(hashSize, nil)
	if err != nil {
		return err
	}
	defer remove()
	from, err := r.objects(true)
	if err != nil {
		return err
	}
	// Objects are checked against their names. What else fsck finds fault with
	// is for the client to judge, as without a mirror.
	cmd := r.mirrors.command(ctx, bare, from, "", "index-pack", "--stdin", "--fix-thin", "--threads=1")
	cmd.Stdin = pack
	if err := run(cmd); err != nil {
		return err
	}
	return r.repack(ctx, bare, from.dir)
}

// maxPacks is how many packs there may be before they are joined: each look-up
// goes through all, and a partial clone fetches hundreds of small ones.
const maxPacks = 50

func (r *Repository) repack(ctx context.Context, bare, dir string) error {
	packs, err := filepath.Glob(filepath.Join(dir, "pack", "*.pack"))
	if err != nil || len(packs) <= maxPacks {
		return err
	}
	cmd := r.mirrors.command(ctx, bare, objects{dir: dir}, "", "repack", "--geometric=2", "-d", "-q")
	if err := run(cmd); err != nil {
		return nil // git before 2.33 can't, and all is as it was
	}
	return nil
}

// Fetch answers a fetch whose body, codings undone, is given. out holds the
// answer when there is no error. Where objects are missing the error is an
// *NoneError.
func (r *Repository) Fetch(ctx context.Context, q Question, body io.Reader, out *os.File) error {
	if r.mirrors.program() == "" {
		return noGit()
	}
	from, err := r.objects(false)
	if err != nil {
		return err
	}
	var refs []Ref // for --include-tag
	if g, err := r.refs(Question{}, true); err == nil {
		refs = g.list(nil)
	}
	bare, remove, err := r.mirrors.bare(q.hashSize(), refs)
	if err != nil {
		return err
	}
	defer remove()
	protocol := fmt.Sprintf("version=%d", q.Version)
	cmd := r.mirrors.command(ctx, bare, from, protocol, "upload-pack", "--stateless-rpc", "--strict", bare)
	cmd.Stdin, cmd.Stdout = body, out
	select {
	case r.mirrors.turns <- struct{}{}:
		defer func() { <-r.mirrors.turns }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := run(cmd); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &NoneError{"not all objects that it takes were fetched before", err}
	}
	return nil
}

// advertise asks git what it can do in protocol 2.
func (r *Repository) advertise(ctx context.Context, hashSize int) ([]byte, error) {
	bare, remove, err := r.mirrors.bare(hashSize, nil)
	if err != nil {
		return nil, err
	}
	defer remove()
	from, err := r.objects(false)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	// With ref-in-want a client would not say which state of the refs it saw.
	cmd := r.mirrors.command(ctx, bare, from, "version=2",
		"-c", "uploadpack.allowRefInWant=false", "upload-pack", "--stateless-rpc", "--advertise-refs", "--strict", bare)
	cmd.Stdout = &out
	if err := run(cmd); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
