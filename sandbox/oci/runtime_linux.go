package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Exec becomes the real runtime, and returns only when that fails. What goes wrong
// before it is told to failed, and the container is made as it would have been.
func (r Runtime) Exec(args, env []string, failed func(error)) error {
	call := parse(args)
	var err error
	switch call.command {
	case "create", "run":
		err = r.create(call)
	case "exec":
		err = r.join(call)
	case "delete":
		err = r.delete(call)
	}
	if err != nil {
		failed(fmt.Errorf("%s container %s: %w", call.command, call.id, err))
	}
	return syscall.Exec(r.Path, slices.Concat([]string{r.Path}, args), env)
}

// call is a runtime's command line, as far as it matters (runc(8), crun(1)).
type call struct {
	command string
	bundle  string // its directory, of create and run
	process string // a file, of exec
	id      string
}

func commands() []string {
	return []string{
		"checkpoint", "create", "delete", "events", "exec", "features", "kill", "list", "pause", "ps", "restore",
		"resume", "run", "spec", "start", "state", "update",
	}
}

func parse(args []string) call {
	at := slices.IndexFunc(args, func(a string) bool { return slices.Contains(commands(), a) })
	if at < 0 {
		return call{}
	}
	c := call{command: args[at], bundle: "."}
	rest := args[at+1:]
	if len(rest) > 0 {
		c.id = rest[len(rest)-1]
	}
	for i, a := range rest {
		name, value, ok := strings.Cut(a, "=")
		if !ok && i+1 < len(rest) {
			value = rest[i+1]
		}
		switch name {
		case "-b", "--bundle":
			c.bundle = value
		case "-p", "--process":
			c.process = value
		}
		if c.command == "exec" && !strings.HasPrefix(a, "-") && i > 0 && !takesValue(rest[i-1]) {
			c.id = a // a command may follow
			break
		}
	}
	return c
}

// takesValue tells of an option of exec whose value is the next argument.
func takesValue(option string) bool {
	return slices.Contains([]string{"-p", "--process", "--console-socket", "--pid-file", "--cwd", "-e", "--env", "-u", "--user",
		"-g", "--additional-gids", "--apparmor", "-c", "--cap", "--process-label", "--preserve-fds", "--cgroup"}, option)
}

// state is what is remembered of a container.
type state struct {
	Root     string
	ReadOnly bool
	Env      []string
	Copies   []privateCopy
}

func (r Runtime) stateFile(id string) string { return filepath.Join(r.place(id), "state.json") }

// place is a container's directory. Ids are names, never paths.
func (r Runtime) place(id string) string { return filepath.Join(r.Dir, filepath.Base(id)) }

// create changes the configuration of a container that is to be made.
func (r Runtime) create(c call) (err error) {
	path := filepath.Join(c.bundle, "config.json")
	conf, err := readConfig(path)
	if err != nil {
		return err
	}
	root := conf.root.Path
	if !filepath.IsAbs(root) {
		root = filepath.Join(c.bundle, root)
	}
	if root, err = filepath.Abs(root); err != nil {
		return err
	}
	dir := r.place(c.id)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	files := filepath.Join(dir, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		return err
	}
	change, err := r.Prepare(root, files, conf.process.Env)
	if err != nil {
		return err
	}
	s := state{Root: root, ReadOnly: conf.root.Readonly, Env: change.Env}
	for i, t := range change.Trees {
		if conf.covers(t.Path) {
			continue // the engine's user has put something there
		}
		source := filepath.Join(dir, fmt.Sprint(i))
		made, err := copyTree(root, source, t)
		if err != nil {
			return err
		}
		s.Copies = append(s.Copies, made)
		conf.add(mount{t.Path, "bind", source, []string{"bind", "rw", "nosuid", "nodev", "rprivate"}})
	}
	if conf.has("/dev", "tmpfs") {
		conf.add(mount{FilesDir, "bind", files, []string{"bind", "ro", "nosuid", "nodev", "rprivate"}})
	}
	conf.process.Env = r.Environ(conf.process.Env, change.Env)
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.stateFile(c.id), b, 0o600); err != nil {
		return err
	}
	return conf.write(path)
}

func (r Runtime) load(id string) (s state, ok bool, err error) {
	b, err := os.ReadFile(r.stateFile(id))
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, err
	}
	return s, true, json.Unmarshal(b, &s)
}

// join changes the environment of a further process.
func (r Runtime) join(c call) error {
	s, ok, err := r.load(c.id)
	if !ok || err != nil || c.process == "" {
		return err
	}
	p, err := readObject(c.process)
	if err != nil {
		return err
	}
	var env []string
	if err := json.Unmarshal(p["env"], &env); err != nil && p["env"] != nil {
		return err
	}
	if p["env"], err = json.Marshal(r.Environ(env, s.Env)); err != nil {
		return err
	}
	return writeObject(c.process, p)
}

// delete gives the container's root what its processes have changed.
func (r Runtime) delete(c call) error {
	s, ok, err := r.load(c.id)
	if !ok || err != nil {
		return err
	}
	defer os.RemoveAll(r.place(c.id))
	if s.ReadOnly {
		return nil
	}
	root, err := os.OpenRoot(s.Root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it went before
	}
	if err != nil {
		return err
	}
	defer root.Close()
	b := giver{without: r.Without}
	for _, k := range s.Copies {
		for _, name := range k.Own {
			b.own = append(b.own, filepath.Base(name))
		}
	}
	var errs error
	for _, k := range s.Copies {
		errs = errors.Join(errs, k.giveBack(root, b))
	}
	return errs
}
