package podman

import (
	"os"
	"path/filepath"
	"testing"
)

func TestGraphRoot(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte("[storage]\n"+text), 0o644); err != nil {
			t.Fatal(err)
		}
		return at
	}
	graph := write("graph", "graphroot = \"/own\"\n")
	both := write("both", "graphroot = \"/own\"\nrootless_storage_path = \"$HOME/mine/$UID\"\n")
	write("conf/containers/storage.conf", "graphroot = \"/users\"\n")
	home := map[string]string{"HOME": "/home/me", "XDG_CONFIG_HOME": filepath.Join(dir, "none")}
	for _, c := range []struct {
		name, want string
		uid        int
		set        map[string]string
	}{
		{"a file of root's", "/own", 0, map[string]string{"CONTAINERS_STORAGE_CONF": graph}},
		{"the path of others is not root's", "/own", 0, map[string]string{"CONTAINERS_STORAGE_CONF": both}},
		{"a user's file", "/users", 7, map[string]string{"XDG_CONFIG_HOME": filepath.Join(dir, "conf")}},
		{"expanded", "/home/me/mine/7", 7, map[string]string{"CONTAINERS_STORAGE_CONF": both}},
		{"the default", "/home/me/.local/share/containers/storage", 7, nil},
		{"the data directory", "/data/containers/storage", 7, map[string]string{"XDG_DATA_HOME": "/data"}},
	} {
		got := GraphRoot(func(name string) string {
			if v, ok := c.set[name]; ok {
				return v
			}
			return home[name]
		}, c.uid)
		if got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}
