package ca

import (
	"os"
	"path/filepath"
)

// TrustFiles is Trust where nothing can be put in place of the system's files: it
// writes the merged ones into dir, which exists and is the run's own, and gives
// variables that name those. Programs that read the system's stores alone do not
// see them.
func (a *Authority) TrustFiles(dir string, env []string) (Trust, error) {
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
	// Deno's system store is not ours.
	return Trust{Env: append(append(vars, "DENO_CERT="+bundle), switches()...)}, nil
}

// javaFile is the Java trust store in such a directory.
const javaFile = "cacerts"
