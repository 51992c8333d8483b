package podman

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// ConfName is the name of podman's configuration file, containers.conf(5).
const ConfName = "containers.conf"

// Conf is podman's configuration: tables by name, as the TOML has them.
type Conf map[string]any

// runtimeNames are the OCI runtimes that podman knows by name (containers.conf(5),
// engine.runtimes), and where it looks for them.
func runtimeNames() []string {
	return []string{"crun", "runc", "youki", "krun", "crun-wasm", "crun-vm", "runsc", "kata"}
}

func runtimeDirs() []string {
	return []string{"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/sbin", "/bin", "/run/current-system/sw/bin"}
}

// Runtimes are the OCI runtimes that are installed, by their names.
func (c Conf) Runtimes() map[string]string {
	found := map[string]string{}
	for _, name := range runtimeNames() {
		for _, dir := range runtimeDirs() {
			if executable(filepath.Join(dir, name)) {
				found[name] = filepath.Join(dir, name)
				break
			}
		}
	}
	engine, _ := c["engine"].(map[string]any)
	table, _ := engine["runtimes"].(map[string]any)
	for name, v := range table {
		paths, _ := v.([]any)
		for _, p := range paths {
			if p, ok := p.(string); ok && executable(p) {
				found[name] = p
				break
			}
		}
	}
	return found
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// ReadConf reads what podman and buildah would read. Files that are not there count
// as empty; an error is that of a file that they could not read either.
func ReadConf(getenv func(string) string) (Conf, error) {
	conf := Conf{}
	for _, path := range confFiles(getenv) {
		var m map[string]any
		b, err := os.ReadFile(path)
		if err == nil {
			err = toml.Unmarshal(withoutComments(b), &m)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		override(conf, m)
	}
	return conf, nil
}

// withoutComments empties the lines that are comments: what distributions have is
// little else, and the decoder takes a millisecond for it. A string of more than one
// line may have such lines in it.
func withoutComments(b []byte) []byte {
	if bytes.Contains(b, []byte(`"""`)) || bytes.Contains(b, []byte("'''")) {
		return b
	}
	out := make([]byte, 0, len(b))
	for line := range bytes.Lines(b) {
		if bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte("#")) {
			line = []byte("\n")
		}
		out = append(out, line...)
	}
	return out
}

// confFiles are the files of podman's configuration, the weakest first.
func confFiles(getenv func(string) string) []string {
	var files []string
	if one := getenv("CONTAINERS_CONF"); one != "" {
		files = append(files, one)
	} else {
		for _, dir := range []string{"/usr/share/containers", "/etc/containers", userConf(getenv)} {
			main := filepath.Join(dir, ConfName)
			more, _ := filepath.Glob(filepath.Join(globEscaped(main+".d"), "*.conf")) // well-formed
			files = append(append(files, main), more...)
		}
	}
	if last := getenv("CONTAINERS_CONF_OVERRIDE"); last != "" {
		files = append(files, last)
	}
	return files
}

// userConf is the directory of the user's own configuration.
func userConf(getenv func(string) string) string {
	if dir := getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "containers")
	}
	return filepath.Join(getenv("HOME"), ".config/containers")
}

// globEscaped makes a path a pattern that it alone fits.
func globEscaped(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

// Override puts settings over those that are there.
func (c Conf) Override(with map[string]any) { override(c, with) }

// override puts the settings of one table over those of another, as podman does:
// a list is replaced, unless it ends with {append=true}.
func override(conf, with map[string]any) {
	for name, v := range with {
		switch v := v.(type) {
		case map[string]any:
			in, ok := conf[name].(map[string]any)
			if !ok {
				in = map[string]any{}
				conf[name] = in
			}
			override(in, v)
		case []any:
			list, more := withoutAttribute(v)
			if old, ok := conf[name].([]any); ok && more {
				list = slices.Concat(old, list)
			}
			conf[name] = list
		default:
			conf[name] = v
		}
	}
}

func withoutAttribute(list []any) (rest []any, more bool) {
	rest = []any{}
	for _, v := range list {
		if table, ok := v.(map[string]any); ok {
			more, _ = table["append"].(bool)
			continue
		}
		rest = append(rest, v)
	}
	return rest, more
}

// destination is the address of a connection (podman-system-connection(1)); "" is
// the default one's name. Newer versions have them in a file of their own.
func (c Conf) destination(name string, getenv func(string) string) (uri string, ok bool) {
	engine, _ := c["engine"].(map[string]any)
	fallback, _ := engine["active_service"].(string)
	all := map[string]string{}
	services, _ := engine["service_destinations"].(map[string]any)
	for n, v := range services {
		if table, ok := v.(map[string]any); ok {
			all[n], _ = table["uri"].(string)
		}
	}
	var file struct {
		Connection struct {
			Default     string
			Connections map[string]struct{ URI string }
		}
	}
	path := getenv("PODMAN_CONNECTIONS_CONF")
	if path == "" {
		path = filepath.Join(userConf(getenv), "podman-connections.json")
	}
	if b, err := os.ReadFile(path); err == nil && json.Unmarshal(b, &file) == nil {
		for n, d := range file.Connection.Connections {
			all[n] = d.URI
		}
		if file.Connection.Default != "" {
			fallback = file.Connection.Default
		}
	}
	if name == "" {
		name = fallback
	}
	uri, ok = all[name]
	return uri, ok && uri != ""
}
