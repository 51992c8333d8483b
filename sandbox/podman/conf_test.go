package podman

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// What podman would read is read in its order, and by its rules of lists.
func TestReadConf(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	getenv := func(set map[string]string) func(string) string { return func(name string) string { return set[name] } }
	write("home/containers/containers.conf", "[containers]\nannotations = [\"a\"]\nshm_size = \"1m\"\n[engine.runtimes]\nown = [\"/no/such\", \""+dir+"/own\"]\n")
	write("home/containers/containers.conf.d/2.conf", "[containers]\nannotations = [\"c\", {append = true}]\n")
	write("home/containers/containers.conf.d/1.conf", "# [engine]\n[containers]# one\n\t #two\nannotations = [\"b\", # three\n # \"d\",\n]\n")
	write("home/containers/containers.conf.d/3.txt", "not read")
	write("one", "[containers]\nannotations = [\"one\"]\n")
	write("last", "[containers]\nannotations = [\"last\", {append = true}]\n")
	write("own", "#!/bin/sh\n")
	if err := os.Chmod(filepath.Join(dir, "own"), 0o755); err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(dir, "home")
	for _, c := range []struct {
		env  map[string]string
		want []any
	}{
		{map[string]string{"XDG_CONFIG_HOME": home}, []any{"b", "c"}},
		{map[string]string{"XDG_CONFIG_HOME": home, "CONTAINERS_CONF": filepath.Join(dir, "one")}, []any{"one"}},
		{map[string]string{"XDG_CONFIG_HOME": home, "CONTAINERS_CONF_OVERRIDE": filepath.Join(dir, "last")}, []any{"b", "c", "last"}},
	} {
		conf, err := ReadConf(getenv(c.env))
		if err != nil {
			t.Fatal(err)
		}
		if got := conf["containers"].(map[string]any)["annotations"]; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v: %v", c.env, got)
		}
	}
	conf, err := ReadConf(getenv(map[string]string{"XDG_CONFIG_HOME": home}))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(withoutComments([]byte("a = 1\n# x\n  # y\nb = \"#\"\n#z"))); got != "a = 1\n\n\nb = \"#\"\n\n" {
		t.Errorf("without comments: %q", got)
	}
	for _, long := range []string{"a = \"\"\"\n# in it\n\"\"\"\n", "a = '''\n# in it\n'''\n"} {
		if got := string(withoutComments([]byte(long))); got != long {
			t.Errorf("a string of more lines: %q", got)
		}
	}
	if got := conf.Runtimes()["own"]; got != filepath.Join(dir, "own") {
		t.Errorf("the user's runtime: %q", got)
	}
	write("one", "[containers\n")
	if _, err := ReadConf(getenv(map[string]string{"CONTAINERS_CONF": filepath.Join(dir, "one")})); err == nil || !strings.Contains(err.Error(), "one") {
		t.Errorf("a file that podman does not read either: %v", err)
	}
}
