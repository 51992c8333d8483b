package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"cachex/ca"
	"cachex/sandbox/oci"
)

const runtimeLong = `Do what RUNTIME, an OCI runtime such as runc, does with its arguments. A
container that it creates or joins gets the variables and trust stores of the
run that DIR is of, and its own trust stores back when it is deleted. podman and
buildah call it within "cachex run", as "cachex help containers" explains.

EXIT STATUS
  that of RUNTIME; 125 when it cannot be started

ENVIRONMENT
  What RUNTIME makes of it.`

// newRuntimeCommand is what podman and buildah call in a sandbox (engines.go);
// "cachex help" does not list it.
func newRuntimeCommand(io streams) *cobra.Command {
	return &cobra.Command{
		Use: "oci-runtime DIR RUNTIME [ARG...]", Short: "Stand between an engine and its runtime", Long: runtimeLong,
		Example: "  cachex oci-runtime --help",
		Hidden:  true, DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == "--help" {
				return c.Help()
			}
			if len(args) < 2 {
				return &usageError{errors.New("a directory and a runtime are needed"), "cachex oci-runtime"}
			}
			authority, err := authorityIn(args[0])
			if err != nil {
				return &exitError{fmt.Errorf("the run of %s: %w", args[0], err), exitInternal, "cachex run calls it"}
			}
			r := oci.Runtime{
				Path: args[1], Dir: filepath.Join(args[0], enginesCopies), Without: authority.Without,
				Prepare: func(root, dir string, env []string) (oci.Change, error) { return trustIn(authority, root, dir, env) },
				Environ: buildEnvironment,
			}
			err = r.Exec(args[2:], os.Environ(), func(err error) { complain(io.err, err) })
			return &exitError{fmt.Errorf("%s: %w", args[1], err), exitInternal, ""}
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
