package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"cachex/proxy/store"
	"cachex/sandbox"
)

// Containers that the command itself starts, by podman or buildah: a
// containers.conf(5) of the run's gives them the sandbox's network, and a runtime
// that lets them trust the run's authority (package oci).

// enginePrograms read containers.conf.
func enginePrograms() []string { return []string{"podman", "buildah"} }

// runtimeNames are the OCI runtimes that podman knows by name (containers.conf(5),
// engine.runtimes), and where it looks for them.
func runtimeNames() []string {
	return []string{"crun", "runc", "youki", "krun", "crun-wasm", "crun-vm", "runsc", "kata"}
}

func runtimeDirs() []string {
	return []string{"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/sbin", "/bin", "/run/current-system/sw/bin"}
}

// Names in the directory that engines get.
const (
	enginesDir    = "containers"
	enginesConf   = "containers.conf"
	enginesCA     = "ca.pem"
	enginesCopies = "copies"
)

// engines gives the sandbox what podman and buildah need in it, and the variables
// that tell them. There is none where neither is installed.
func (s *session) engines() (trees []sandbox.Tree, env []string, err error) {
	if !slices.ContainsFunc(enginePrograms(), installed) {
		return nil, nil, nil
	}
	lacks := func(p sandbox.Part) bool {
		return slices.ContainsFunc(s.box.Lacks(), func(l sandbox.Lack) bool { return l.Part == p })
	}
	if s.opts.sandbox == sandboxEnv || s.opts.sandbox == sandboxContainer || lacks(sandbox.Mounts) {
		return nil, nil, nil
	}
	dir, err := store.PrivateDir(s.opts.cache, enginesDir)
	if err != nil {
		return nil, nil, nil // a cache that is only read
	}
	conf, err := userEngines(os.Getenv)
	if err != nil {
		return nil, nil, nil // podman says what is wrong with it
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	t := sandbox.Tree{Path: dir, Empty: true}
	add := func(name string, data []byte, mode fs.FileMode) {
		t.Files = append(t.Files, sandbox.File{Name: name, Data: data, Mode: mode})
	}
	runtimes := map[string]any{}
	for name, real := range findRuntimes(conf) {
		at := filepath.Join("runtimes", name)
		add(at, runtimeScript(exe, dir, real), 0o755)
		runtimes[name] = []any{filepath.Join(dir, at)}
	}
	engine := map[string]any{
		"runtimes": runtimes,
		// What podman knows of containers it keeps beside its images, with the numbers
		// of their processes. Those of another pid namespace are none, and podman
		// would believe that they had ended.
		"static_dir": filepath.Join(dir, "libpod"),
		"tmp_dir":    filepath.Join(dir, "tmp"),
		"lock_type":  "file", // the others are in /dev/shm, numbered by that file
	}
	if !lacks(sandbox.Processes) {
		engine["cgroup_manager"] = "cgroupfs" // systemd would be told numbers of processes too
	}
	override(conf, map[string]any{"engine": engine, "containers": map[string]any{"netns": "host"}})
	var text bytes.Buffer
	if err := toml.NewEncoder(&text).Encode(conf); err != nil {
		return nil, nil, fmt.Errorf("write %s: %w", enginesConf, err)
	}
	add(enginesConf, text.Bytes(), 0o644)
	add(enginesCA, s.authority.PEM(), 0o644)
	add(filepath.Join(enginesCopies, ".keep"), nil, 0o644)
	at := filepath.Join(dir, enginesConf)
	// The second is for podman from 4.6 on, in case the user has set it.
	return []sandbox.Tree{t}, []string{"CONTAINERS_CONF=" + at, "CONTAINERS_CONF_OVERRIDE=" + at}, nil
}

func installed(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// runtimeScript is what podman calls in place of a runtime. Most of its calls
// change nothing that matters here.
func runtimeScript(exe, dir, real string) []byte {
	return fmt.Appendf(nil, `#!/bin/sh
for word in "$@"; do
	case $word in
	create | run | exec | delete) exec %s oci-runtime %s %s "$@" ;;
	esac
done
exec %s "$@"
`, quoted(exe), quoted(dir), quoted(real), quoted(real))
}

// quoted is a word of a shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// findRuntimes are those that are installed, by their names.
func findRuntimes(conf map[string]any) map[string]string {
	found := map[string]string{}
	for _, name := range runtimeNames() {
		for _, dir := range runtimeDirs() {
			if executable(filepath.Join(dir, name)) {
				found[name] = filepath.Join(dir, name)
				break
			}
		}
	}
	engine, _ := conf["engine"].(map[string]any)
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

// userEngines is what podman would read as its configuration (containers.conf(5)).
func userEngines(getenv func(string) string) (map[string]any, error) {
	conf := map[string]any{}
	for _, path := range engineFiles(getenv) {
		var m map[string]any
		_, err := toml.DecodeFile(path, &m)
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

// engineFiles are the files of podman's configuration, the weakest first.
func engineFiles(getenv func(string) string) []string {
	var files []string
	if one := getenv("CONTAINERS_CONF"); one != "" {
		files = append(files, one)
	} else {
		user := getenv("XDG_CONFIG_HOME")
		if user == "" {
			user = filepath.Join(getenv("HOME"), ".config")
		}
		for _, dir := range []string{"/usr/share", "/etc", user} {
			main := filepath.Join(dir, "containers", enginesConf)
			more, _ := filepath.Glob(filepath.Join(globEscaped(main+".d"), "*.conf")) // well-formed
			files = append(append(files, main), more...)
		}
	}
	if last := getenv("CONTAINERS_CONF_OVERRIDE"); last != "" {
		files = append(files, last)
	}
	return files
}

// globEscaped makes a path a pattern that it alone fits.
func globEscaped(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

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

// engineSockets are where daemons listen that build and run containers outside of
// the sandbox: Docker's, podman's, BuildKit's and containerd's, and those that the
// user names.
func engineSockets(getenv func(string) string) []string {
	paths := []string{"/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock", "/run/buildkit/buildkitd.sock", "/run/containerd/containerd.sock"}
	if dir := getenv("XDG_RUNTIME_DIR"); dir != "" {
		for _, name := range []string{"docker.sock", "podman/podman.sock", "buildkit/buildkitd.sock"} {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	if home := getenv("HOME"); home != "" {
		for _, name := range []string{".docker/run/docker.sock", ".docker/desktop/docker.sock"} {
			paths = append(paths, filepath.Join(home, name))
		}
	}
	for _, name := range []string{"DOCKER_HOST", "CONTAINER_HOST", "BUILDKIT_HOST"} {
		if path, ok := strings.CutPrefix(getenv(name), "unix://"); ok && filepath.IsAbs(path) {
			paths = append(paths, path)
		}
	}
	return paths
}
