package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"cachex/ca"
	"cachex/sandbox/oci"
)

// newRuntimeCommand is what podman and buildah call in a sandbox (engines.go);
// "cachex help" does not list it.
func newRuntimeCommand(io streams) *cobra.Command {
	return &cobra.Command{
		Use: "oci-runtime DIR RUNTIME ARGS", Short: "Stand between an engine and its runtime", Hidden: true, DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return errors.New("a directory and a runtime are needed")
			}
			authority, err := authorityIn(args[0])
			if err != nil {
				return err
			}
			r := oci.Runtime{
				Path: args[1], Dir: filepath.Join(args[0], enginesCopies), Without: authority.Without,
				Prepare: func(root, dir string, env []string) (oci.Change, error) { return trustIn(authority, root, dir, env) },
				Environ: buildEnvironment,
			}
			return r.Exec(args[2:], os.Environ(), func(err error) { complain(io.err, err) })
		},
	}
}

func authorityIn(dir string) (*ca.Authority, error) {
	b, err := os.ReadFile(filepath.Join(dir, enginesCA))
	if err != nil {
		return nil, err
	}
	return ca.Public(b)
}

// trustIn says what a container with some root must see. Where the root has no
// place for a bundle, variables name the sandbox's own, which is in no layer.
func trustIn(authority *ca.Authority, root, dir string, env []string) (oci.Change, error) {
	t, err := authority.Trust(root, env)
	if err != nil {
		return oci.Change{}, err
	}
	if !slices.ContainsFunc(t.Env, hasBundle) {
		// What else its variables name is in the container and not here.
		java := slices.DeleteFunc(slices.Clone(env), func(kv string) bool { return !strings.Contains(kv, "JAVA") })
		files, err := authority.TrustFiles(dir, oci.FilesDir, append(java, "HOME="+dir))
		if err != nil {
			return oci.Change{}, err
		}
		t.Env = append(t.Env, files.Env...)
	}
	return oci.Change{Trees: trees(t.Trees), Env: t.Env}, nil
}

func hasBundle(kv string) bool { return strings.HasPrefix(kv, "SSL_CERT_FILE=") }
