package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"cachex/proxy/store"
	"cachex/sandbox"
	"cachex/sandbox/podman"
)

// Containers that the command itself starts, by podman or buildah: a
// containers.conf(5) of the run's gives them the sandbox's network, and a runtime
// that lets them trust the run's authority (package oci).

// enginePrograms read containers.conf.
func enginePrograms() []string { return []string{"podman", "buildah"} }

// Names in the directory that engines get.
const (
	enginesDir    = "containers"
	enginesCA     = "ca.pem"
	enginesCopies = "copies"
)

// readEngines reads the user's configuration of podman and buildah, if either is
// there. It takes a millisecond or two, in which the sandbox is made.
func (s *session) readEngines() {
	if s.opts.sandbox == sandboxEnv || s.opts.sandbox == sandboxContainer || !slices.ContainsFunc(enginePrograms(), installed) {
		return
	}
	if conf, err := podman.ReadConf(os.Getenv); err == nil { // else podman says what is wrong with it
		s.conf = conf
	}
}

// engines gives a sandbox without a part what podman and buildah need in it, and the
// variables that tell them. There is none where neither is installed.
func (s *session) engines(without sandbox.Part) (trees []sandbox.Tree, env []string, err error) {
	if s.conf == nil || s.opts.sandbox == sandboxEnv || without == sandbox.Mounts {
		return nil, nil, nil
	}
	dir, err := s.enginesPlace()
	if err != nil {
		return nil, nil, nil // a cache that is only read
	}
	conf := podman.Conf{}
	conf.Override(s.conf) // which the next sandbox that is tried starts from, too
	exe, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	t := sandbox.Tree{Path: dir, Empty: true}
	add := func(name string, data []byte, mode fs.FileMode) {
		t.Files = append(t.Files, sandbox.File{Name: name, Data: data, Mode: mode})
	}
	runtimes := map[string]any{}
	for name, real := range conf.Runtimes() {
		at := filepath.Join("runtimes", name)
		add(at, runtimeScript(exe, dir, real), 0o755)
		runtimes[name] = []any{filepath.Join(dir, at)}
	}
	engine := map[string]any{
		"runtimes":   runtimes,
		"tmp_dir":    filepath.Join(dir, "tmp"),
		"static_dir": stateDir(os.Getenv, os.Geteuid()), // else podman from 5 on has a file beside it
		"lock_type":  "file",                            // the others are in /dev/shm, numbered by what hiddenState hides
	}
	if without != sandbox.Processes {
		engine["cgroup_manager"] = "cgroupfs" // systemd would be told numbers of processes too
	}
	conf.Override(map[string]any{"engine": engine, "containers": map[string]any{"netns": "host"}})
	var text bytes.Buffer
	if err := toml.NewEncoder(&text).Encode(conf); err != nil {
		return nil, nil, fmt.Errorf("write %s: %w", podman.ConfName, err)
	}
	add(podman.ConfName, text.Bytes(), 0o644)
	add(enginesCA, s.authority.PEM(), 0o644)
	add(filepath.Join(enginesCopies, ".keep"), nil, 0o644)
	at := filepath.Join(dir, podman.ConfName)
	// The second is for podman from 4.6 on, in case the user has set it.
	return append(hiddenState(os.Getenv, os.Geteuid()), t), []string{"CONTAINERS_CONF=" + at, "CONTAINERS_CONF_OVERRIDE=" + at}, nil
}

// enginesPlace is a directory that stays empty: each sandbox has its own in that
// place. A sandbox in a sandbox has another, as its runtimes lead to the outer ones.
func (s *session) enginesPlace() (string, error) {
	for name := enginesDir; ; name += "-inner" {
		dir, err := store.PrivateDir(s.opts.cache, name)
		if err != nil || !strings.HasPrefix(os.Getenv("CONTAINERS_CONF"), dir+string(filepath.Separator)) {
			return dir, err
		}
	}
}

// hiddenState are the directories in which podman keeps what it knows of containers,
// with the numbers of their processes: those of another pid namespace are none, and
// podman would believe that they had ended. (Another static_dir will not do: the
// podman that conmon(8) calls at the end of a container goes by --root.)
func hiddenState(getenv func(string) string, uid int) []sandbox.Tree {
	dirs := []string{stateDir(getenv, uid)}
	if uid != 0 {
		// The number of the process that holds the user's namespaces: podman from 5 on
		// has it there whatever tmp_dir is, and would take it away when there is none.
		id := strconv.Itoa(uid)
		runtime := getenv("XDG_RUNTIME_DIR")
		if runtime == "" {
			runtime = filepath.Join("/run/user", id)
		}
		places := []string{runtime}
		for _, name := range []string{"podman-run-", "storage-run-"} { // where there is none of a session
			places = append(places, filepath.Join(os.TempDir(), name+id))
		}
		for _, place := range places {
			if _, err := os.Stat(place); err == nil {
				dirs = append(dirs, filepath.Join(place, "libpod"))
			}
		}
	}
	var hidden []sandbox.Tree
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o700); err == nil { // else podman cannot have anything there
			hidden = append(hidden, sandbox.Tree{Path: dir, Empty: true})
		}
	}
	return hidden
}

// stateDir is the usual static_dir.
func stateDir(getenv func(string) string, uid int) string {
	return filepath.Join(podman.GraphRoot(getenv, uid), "libpod")
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
