package podman

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// The service is found where podman's own clients find it.
func TestFindService(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		at := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
		return at
	}
	conf := write("conf", `[engine]
active_service = "here"
[engine.service_destinations]
here = {uri = "unix:///conf/here.sock"}
away = {uri = "ssh://machine.example/podman.sock"}
`)
	remote := write("remote", "[engine]\nactive_service = \"away\"\n[engine.service_destinations.away]\nuri = \"ssh://machine.example/podman.sock\"\n")
	write("json/containers/podman-connections.json", `{"Connection":{"Default":"new","Connections":{"new":{"URI":"unix:///json/new.sock"}}}}`)
	empty := filepath.Join(dir, "empty")
	usual := "unix:///run/podman/podman.sock"
	if os.Geteuid() != 0 {
		usual = "unix:///run/me/podman/podman.sock"
	}
	for _, c := range []struct {
		name  string
		env   map[string]string
		at    string
		named bool
	}{
		{"nothing is set", map[string]string{}, usual, false},
		{"CONTAINER_HOST", map[string]string{"CONTAINER_HOST": "tcp://x", "CONTAINERS_CONF": conf, "CONTAINER_CONNECTION": "here"}, "tcp://x", true},
		{"a named connection", map[string]string{"CONTAINERS_CONF": conf, "CONTAINER_CONNECTION": "away"}, "ssh://machine.example/podman.sock", true},
		{"the default connection", map[string]string{"CONTAINERS_CONF": conf}, "unix:///conf/here.sock", true},
		{"one of another machine is for podman --remote", map[string]string{"CONTAINERS_CONF": remote}, usual, false},
		{"the newer file", map[string]string{"XDG_CONFIG_HOME": filepath.Join(dir, "json")}, "unix:///json/new.sock", true},
		{"the newer file comes first", map[string]string{"XDG_CONFIG_HOME": filepath.Join(dir, "json"), "CONTAINERS_CONF": conf}, "unix:///json/new.sock", true},
	} {
		at, named, err := findService(func(name string) string {
			switch v, ok := c.env[name]; {
			case ok:
				return v
			case name == "XDG_CONFIG_HOME":
				return empty
			case name == "XDG_RUNTIME_DIR":
				return "/run/me"
			}
			return ""
		})
		if err != nil || at != c.at || named != c.named {
			t.Errorf("%s: %s %v %v", c.name, at, named, err)
		}
	}
	_, _, err := findService(func(name string) string {
		return map[string]string{"CONTAINER_CONNECTION": "none", "CONTAINERS_CONF": conf}[name]
	})
	var e *Error
	if !errors.As(err, &e) || e.Hint == "" {
		t.Errorf("an unknown connection: %v", err)
	}
}
