package ca

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
)

// Trust is what a build must see to accept an authority.
type Trust struct {
	// Trees are the directories in which files are to be put.
	Trees []Tree
	// Env has the variables to set, as NAME=VALUE, in place of the user's.
	Env []string
}

// Tree is a directory and the files to put into it.
type Tree struct {
	Path  string // exists, and is not reached through a symbolic link
	Files []File
}

// File is a file or a symbolic link in a Tree.
type File struct {
	Name string // relative to the tree, with slashes
	Data []byte
	Link string // target; "" makes a regular file of Data
	Mode fs.FileMode
}

// The authority's own file, in directories of certificates and of anchors.
// update-ca-certificates wants ".crt", p11-kit takes both.
const (
	ownFile    = "cachex.pem"
	ownAnchor  = "cachex.crt"
	nodeFile   = "cachex-node.pem"
	bundleFile = "ca-certificates.crt"
)

// maxFile bounds what is read of a file that a variable names: the largest
// bundles are around 1 MiB.
const maxFile = 16 << 20

// trustBuilder collects files by their real paths.
type trustBuilder struct {
	root   string
	env    environment
	own    []byte            // the authority, PEM
	extras [][]byte          // the user's additions, PEM
	files  map[string]File   // by path in root; Name is not set yet
	real   map[string]string // probed paths
}

// Trust looks at the trust stores beneath root ("/" for this machine) and at the
// variables that add to them, and gives what has to be in their place: always
// what was there, the user's additions, and the authority. Stores that can't be
// read stay as they are.
func (a *Authority) Trust(root string, env []string) (Trust, error) {
	b := &trustBuilder{root: root, env: env, own: a.PEM(), files: map[string]File{}, real: map[string]string{}}
	b.extras = b.userCertificates()
	hash, err := subjectHash(a.cert.RawSubject)
	if err != nil {
		return Trust{}, err
	}
	bundle := b.addBundles()
	b.addHashed(hash)
	b.addBrowsers()
	b.addAnchors(bundle)
	var out Trust
	if bundle != "" {
		out.Env = b.variables(bundle)
	}
	if store, err := b.addJava(bundle); err != nil {
		return Trust{}, err
	} else if store != "" {
		out.Env = append(out.Env, b.javaEnv(store)...)
	}
	out.Env = append(out.Env, switches()...)
	out.Trees = b.trees()
	return out, nil
}

// resolve follows the symbolic links of a path within the root.
func (b *trustBuilder) resolve(path string) string {
	if r, ok := b.real[path]; ok {
		return r
	}
	if _, err := os.Lstat(path); err != nil && b.root == "/" {
		b.real[path] = path
		return path // most of what is probed does not exist
	}
	r, err := securejoin.SecureJoin(b.root, path)
	if err == nil {
		r, err = filepath.Rel(b.root, r)
	}
	if err != nil {
		r = path
	}
	r = filepath.Join("/", r)
	b.real[path] = r
	return r
}

func (b *trustBuilder) stat(path string) (fs.FileInfo, error) {
	return os.Lstat(filepath.Join(b.root, path))
}

// taken tells whether there is anything at a path, or may be.
func (b *trustBuilder) taken(real string) bool {
	_, err := b.stat(real)
	return !errors.Is(err, fs.ErrNotExist)
}

func (b *trustBuilder) directory(path string) (string, bool) {
	r := b.resolve(path)
	info, err := b.stat(r)
	return r, err == nil && info.IsDir()
}

// read reads a regular file of bounded size. nil means that there is none.
func (b *trustBuilder) read(path string) []byte {
	r := b.resolve(path)
	info, err := b.stat(r)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(b.root, r))
	if err != nil {
		return nil
	}
	return data
}

func (b *trustBuilder) put(real string, f File) {
	if f.Mode == 0 {
		f.Mode = 0o644
	}
	b.files[real] = f
}

// userCertificates reads every file that a variable of the user names beside
// the system's own.
func (b *trustBuilder) userCertificates() [][]byte {
	known := map[string]bool{}
	for _, p := range bundles() {
		known[b.resolve(p)] = true
	}
	var extras [][]byte
	for _, name := range slices.Concat(bundleVariables(), userVariables(), []string{nodeVariable}) {
		path := b.absolute(b.env.get(name))
		if path == "" {
			continue
		}
		if r := b.resolve(path); !known[r] {
			known[r] = true
			if data := b.read(path); data != nil {
				extras = append(extras, data)
			}
		}
	}
	return extras
}

// absolute makes a variable's value a path; relative ones are the build's.
func (b *trustBuilder) absolute(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	p, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	return p
}

// addBundles merges every bundle and names the one that variables point at. ""
// means that this system has no place for one.
func (b *trustBuilder) addBundles() string {
	primary := ""
	for _, path := range bundles() {
		r := b.resolve(path)
		if b.files[r].Data == nil {
			data := b.read(path)
			if data == nil {
				continue
			}
			b.put(r, File{Data: merge(data, b.extras, b.own)})
		}
		if primary == "" {
			primary = path
		}
	}
	if primary != "" {
		return primary
	}
	for _, dir := range append(hashed(), "/etc/ssl") {
		d, ok := b.directory(dir)
		if !ok || b.taken(b.resolve(filepath.Join(dir, bundleFile))) {
			continue // a bundle that can't be read stays
		}
		b.put(filepath.Join(d, bundleFile), File{Data: merge(nil, b.extras, b.own)})
		return filepath.Join(dir, bundleFile)
	}
	return ""
}

// addHashed puts the authority where OpenSSL looks by hash, in the directories
// that the user's SSL_CERT_DIR names as well.
func (b *trustBuilder) addHashed(hash string) {
	dirs := hashed()
	for _, d := range filepath.SplitList(b.env.get("SSL_CERT_DIR")) {
		if d = b.absolute(d); d != "" && !b.holdsWork(d) {
			dirs = append(dirs, d)
		}
	}
	for _, dir := range dirs {
		if d, ok := b.directory(dir); ok {
			b.put(filepath.Join(d, ownFile), File{Data: b.own})
			b.put(filepath.Join(d, hash+".0"), File{Link: ownFile})
		}
	}
}

// addAnchors keeps the authority, and what the user has added, in a store that
// the build makes anew. Its tools want one certificate a file.
func (b *trustBuilder) addAnchors(bundle string) {
	var added [][]byte
	if bundle != "" && len(b.extras) > 0 {
		added = missing(b.read(bundle), b.extras)
	}
	for _, dir := range anchors() {
		d, ok := b.directory(dir)
		if !ok {
			continue
		}
		b.put(filepath.Join(d, ownAnchor), File{Data: b.own})
		for i, der := range added {
			data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
			b.put(filepath.Join(d, fmt.Sprintf("cachex-user-%d.crt", i+1)), File{Data: data})
		}
	}
}

// holdsWork tells whether a directory holds the working or home directory. What
// a build writes into a private copy is lost, which must not be its work.
func (b *trustBuilder) holdsWork(dir string) bool {
	dir = b.resolve(dir)
	cwd, _ := os.Getwd()
	for _, work := range []string{cwd, b.env.get("HOME")} {
		if work == "" {
			continue
		}
		rel, err := filepath.Rel(dir, b.resolve(work))
		if err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			return true
		}
	}
	return false
}

// variables are those that name PEM files.
func (b *trustBuilder) variables(bundle string) []string {
	var env []string
	for _, name := range bundleVariables() {
		env = append(env, name+"="+bundle)
	}
	for _, name := range userVariables() {
		// A word such as CONDA_SSL_VERIFY=true stays.
		if path := b.env.get(name); path != "" && b.read(b.absolute(path)) != nil {
			env = append(env, name+"="+bundle)
		}
	}
	return append(env, nodeVariable+"="+b.nodeBundle(bundle))
}

// nodeBundle is a file with the authority and what the user adds for Node. It is
// kept small: every start of Node reads it.
func (b *trustBuilder) nodeBundle(bundle string) string {
	user := b.absolute(b.env.get(nodeVariable))
	if user != "" {
		for _, path := range bundles() {
			if b.resolve(path) == b.resolve(user) {
				return bundle
			}
		}
	}
	dir := filepath.Dir(bundle)
	if d, ok := b.directory(dir); ok {
		// Certificates only: the file may hold a key as well, and its copy is for all to read.
		b.put(filepath.Join(d, nodeFile), File{Data: merge(nil, [][]byte{b.read(user)}, b.own)})
		return filepath.Join(dir, nodeFile)
	}
	return bundle
}

// addJava merges every Java trust store and names the one for JVMs that come
// during the build.
func (b *trustBuilder) addJava(bundle string) (string, error) {
	primary := ""
	all := slices.Concat(b.extras, [][]byte{b.own})
	for _, name := range javaVariables() {
		if path := b.absolute(b.env.option(name, javaTrustStore)); path != "" {
			password := b.env.option(name, javaTrustPassword)
			if password == "" {
				password = javaPassword
			}
			ders, _ := storeCertificates(b.read(path), password) // the JVM would not read it either
			for _, der := range ders {
				all = append(all, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
			}
		}
	}
	for _, path := range b.javaPaths() {
		r := b.resolve(path)
		if b.files[r].Data == nil {
			data := b.read(path)
			if data == nil {
				continue
			}
			merged, err := mergeJava(data, all...)
			if err != nil {
				continue // a store that no JVM reads without more words either
			}
			b.put(r, File{Data: merged})
		}
		// In JAVA_TOOL_OPTIONS a blank would end the path, and with it every JVM.
		if primary == "" && !strings.ContainsAny(path, " \t\n\"'") {
			primary = path
		}
	}
	if primary != "" || bundle == "" {
		return primary, nil
	}
	return b.newJavaStore(bundle, all)
}

// newJavaStore makes a store of a bundle's roots and more, beside the bundle:
// where Debian has it, unless something that can't be read is there.
func (b *trustBuilder) newJavaStore(bundle string, more [][]byte) (string, error) {
	roots := b.files[b.resolve(bundle)].Data
	merged, err := mergeJava(nil, slices.Concat([][]byte{roots}, more)...)
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(bundle)
	for _, sub := range []string{"java", "cachex"} {
		d, ok := b.directory(filepath.Join(dir, sub))
		if !ok {
			d = filepath.Join(b.resolve(dir), sub)
			if b.taken(d) {
				continue // a file, or a link that leads nowhere
			}
		}
		if real := filepath.Join(d, "cacerts"); !b.taken(real) {
			b.put(real, File{Data: merged})
			return filepath.Join(dir, sub, "cacerts"), nil
		}
	}
	return "", nil
}

// javaPaths lists the trust stores that may exist, the distribution's first.
func (b *trustBuilder) javaPaths() []string {
	paths := javaStores()
	var homes []string
	if h := b.absolute(b.env.get("JAVA_HOME")); h != "" {
		homes = append(homes, h)
	}
	for _, pattern := range javaHomes() {
		if rest, ok := strings.CutPrefix(pattern, "~"); ok {
			home := b.env.get("HOME")
			if home == "" {
				continue
			}
			pattern = home + rest
		}
		// The patterns are well-formed, so Glob has no error.
		found, _ := filepath.Glob(filepath.Join(b.root, pattern))
		for _, f := range found {
			if rel, err := filepath.Rel(b.root, f); err == nil {
				homes = append(homes, filepath.Join("/", rel))
			}
		}
	}
	for _, h := range homes {
		for _, name := range javaStoreNames() {
			paths = append(paths, filepath.Join(h, name))
		}
	}
	return paths
}

// javaEnv makes JVMs use the store, those too that are told of another.
func (b *trustBuilder) javaEnv(store string) []string {
	var env []string
	for _, name := range javaVariables() {
		all := words(b.env.get(name))
		var kept []string
		for _, w := range all {
			if !strings.HasPrefix(w.plain, "-Djavax.net.ssl.trustStore") {
				kept = append(kept, w.raw)
			}
		}
		if len(kept) == len(all) && name != "JAVA_TOOL_OPTIONS" {
			continue
		}
		env = append(env, name+"="+strings.Join(append(kept, javaTrustStore+store), " "))
	}
	return env
}

// trees groups the files by directory. A directory within another is part of
// that one: a mount on the outer would hide the inner.
func (b *trustBuilder) trees() []Tree {
	var dirs []string
	for path := range b.files {
		dirs = append(dirs, b.existing(filepath.Dir(path)))
	}
	slices.Sort(dirs) // a directory comes before those within
	dirs = slices.Compact(dirs)
	var trees []Tree
	for _, d := range dirs {
		within := func(t Tree) bool { return strings.HasPrefix(d, t.Path+"/") }
		if !slices.ContainsFunc(trees, within) {
			trees = append(trees, Tree{Path: d})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(b.files)) {
		for i := range trees {
			if name, ok := strings.CutPrefix(path, trees[i].Path+"/"); ok {
				f := b.files[path]
				f.Name = name
				trees[i].Files = append(trees[i].Files, f)
				break
			}
		}
	}
	return trees
}

// existing is the nearest directory on the way up that exists.
func (b *trustBuilder) existing(dir string) string {
	for {
		if _, err := b.stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == "/" {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}
