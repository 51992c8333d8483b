//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

const testImage = "localhost/cachex-test:1"

// TestConformance runs testdata/conformance/*.txtar, which say what a command
// finds in any sandbox, in each kind of it. $SANDBOX is the kind.
func TestConformance(t *testing.T) {
	dir := filepath.Join("..", "..", "testdata", "conformance")
	if found, err := filepath.Glob(filepath.Join(dir, "*.txtar")); err != nil || len(found) == 0 {
		t.Fatalf("no scripts in %s: %v", dir, err)
	}
	run := func(t *testing.T, set func(*testscript.Env)) {
		testscript.Run(t, testscript.Params{
			Dir: dir, RequireExplicitExec: true, RequireUniqueNames: true,
			Setup: func(env *testscript.Env) error {
				set(env)
				env.Defer(func() {
					if l, err := left(filepath.Join(env.WorkDir, ".tmp")); err != nil || len(l) > 0 {
						t.Errorf("left in the directory for temporary files: %v %v", l, err)
					}
				})
				return setUpScript(env)
			},
			Condition: scriptCondition,
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"origin": originCommand, "requests": requestsCommand,
			},
		})
	}
	t.Run("netns", func(t *testing.T) {
		run(t, func(env *testscript.Env) {
			env.Setenv("SANDBOX", sandboxNetns)
			env.Setenv("CACHEX_SANDBOX", sandboxNetns)
		})
	})
	t.Run("container", func(t *testing.T) {
		e := newEngine(t)
		e.add(t, testImage, usualRoot(t))
		run(t, func(env *testscript.Env) {
			e.use(env)
			env.Setenv("SANDBOX", sandboxContainer)
			env.Setenv("CACHEX_IMAGE", testImage)
			// Of what scripts set, a container gets what -e names.
			env.Setenv("PATH", env.Getenv("PATH")+string(os.PathListSeparator)+"/usr/sbin:/sbin")
		})
	})
}
