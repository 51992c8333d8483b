package ca

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// TrustFiles is Trust where nothing can be put in place of the system's files: it
// writes the merged ones into dir, which exists and is the run's own, and gives
// variables that name those. Programs that read the system's stores alone do not
// see them. The programs know dir by the name of as.
func (a *Authority) TrustFiles(dir, as string, env []string) (Trust, error) {
	b := &trustBuilder{root: "/", env: env, own: a.PEM(), files: map[string]File{}, real: map[string]string{}}
	b.extras = b.userCertificates()
	// Where there is no bundle, the system's roots are in no file.
	roots := merge(nil, b.extras, b.own)
	if bundle := b.addBundles(); bundle != "" {
		roots = b.files[b.resolve(bundle)].Data
	}
	bundle := filepath.Join(dir, bundleFile)
	b.put(b.resolve(bundle), File{Data: roots})
	java, err := b.addJava(bundle)
	if err != nil {
		return Trust{}, err
	}
	vars := b.variables(bundle)
	files := map[string][]byte{
		bundleFile: roots,
		nodeFile:   b.files[b.resolve(filepath.Join(dir, nodeFile))].Data,
		javaFile:   b.files[b.resolve(java)].Data,
	}
	for name, data := range files {
		if data == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return Trust{}, err
		}
	}
	if files[javaFile] != nil {
		vars = append(vars, b.javaEnv(filepath.Join(dir, javaFile))...)
	}
	for _, p := range b.configured(filepath.Join(as, bundleFile)) {
		path := filepath.Join(dir, p.file)
		mode := os.FileMode(0o644) // other users of the build read it too
		if len(p.user) > 0 {
			mode = 0o600 // .wgetrc may hold a password
		}
		if err := os.WriteFile(path, slices.Concat(p.user, p.text), mode); err != nil {
			return Trust{}, err
		}
		vars = append(vars, p.variable+"="+path)
	}
	vars = append(vars,
		"DENO_CERT="+bundle,         // its system store is not ours
		"npm_config_cafile="+bundle) // an .npmrc may name the system's file
	for i, kv := range vars {
		vars[i] = strings.ReplaceAll(kv, dir, as)
	}
	return Trust{Env: append(vars, switches()...)}, nil
}

// program is one that reads no variable for its roots, but one for a file of
// settings.
type program struct {
	variable, file string
	user, text     []byte // what the user has set, and what is added
}

// configured are apt (apt.conf(5)) and wget (wget.info, Wgetrc Location), with what
// the user has set for them.
func (b *trustBuilder) configured(bundle string) []program {
	wgetrc := b.env.get("WGETRC")
	if wgetrc == "" {
		wgetrc = filepath.Join(b.env.get("HOME"), ".wgetrc")
	}
	line := func(format string) []byte { return fmt.Appendf(nil, format, bundle) }
	return []program{
		{"APT_CONFIG", "apt.conf", b.read(b.absolute(b.env.get("APT_CONFIG"))), line("\nAcquire::https::CaInfo \"%s\";\n")},
		{"WGETRC", "wgetrc", b.read(b.absolute(wgetrc)), line("\nca_certificate = %s\n")},
	}
}

// javaFile is the Java trust store in such a directory.
const javaFile = "cacerts"
