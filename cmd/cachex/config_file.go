package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/pflag"
)

const (
	configName = "cachex.toml"
	// noConfig in place of a file is none.
	noConfig = "none"
	// maxConfig bounds a file. A name may lead to what has no end.
	maxConfig = 1 << 20
)

// setting is what a file says of a key.
type setting struct {
	values []string // one, unless the key takes several
	file   *configFile
	line   int
}

// at is where it stands, for people.
func (s setting) at() string { return s.file.at(s.line) }

// configFile is a file that was read.
type configFile struct {
	path string // absolute
	// project is set for one that was found by the working directory: whoever made
	// the project has written it. trusted, that the user has written it, or trusts
	// who has.
	project, trusted bool
	settings         map[string]setting // by key, and as "gc.max-size"
	rules            []fileRule
	passthrough      []hostRule
	lines            keyLines
}

// at is a line of the file, for people: as short as it can be named from here.
func (f *configFile) at(line int) string { return fmt.Sprintf("%s:%d", shownPath(f.path), line) }

// shownPath is relative if the file is below the working directory.
func shownPath(path string) string {
	if cwd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(cwd, path); err == nil && filepath.IsLocal(rel) {
			return rel
		}
	}
	return path
}

// fail is an error about a key, or its table where it has no line of its own.
func (f *configFile) fail(key string, err error) error {
	return prefixed(f.at(f.lines.of(key)), err)
}

// prefixed puts a place before an error and keeps its hint.
func prefixed(place string, err error) error {
	var hinted *hintedError
	if errors.As(err, &hinted) {
		return &hintedError{fmt.Errorf("%s: %w", place, err), hinted.hint}
	}
	return &hintedError{fmt.Errorf("%s: %w", place, err), `"cachex help config" explains the file`}
}

// lookedAt is a place where a file may be.
type lookedAt struct {
	Path string `json:"path"`
	Kind string `json:"kind"` // project, user or named
	Read bool   `json:"read"`
}

// configuration is what files say.
type configuration struct {
	looked []lookedAt
	files  []*configFile // the strongest first
}

// readConfiguration reads the project's and the user's file, or in their place the
// one that is named; noConfig is none at all.
func readConfiguration(named string) (*configuration, error) {
	c := &configuration{}
	switch named {
	case noConfig:
		return c, nil
	case "":
	default:
		path, err := filepath.Abs(named)
		if err != nil {
			return nil, err
		}
		c.looked = []lookedAt{{path, "named", true}}
		f, err := readConfig(path, false, nil)
		if errors.Is(err, fs.ErrNotExist) {
			err = &hintedError{fmt.Errorf("there is no file %s", named), "--config none reads no file"}
		}
		c.files = []*configFile{f}
		return c, err
	}
	user, err := c.readUser()
	if err != nil {
		return nil, err
	}
	project, err := c.readProject(user)
	if err != nil {
		return nil, err
	}
	for _, f := range []*configFile{project, user} {
		if f != nil {
			c.files = append(c.files, f)
		}
	}
	return c, nil
}

// readUser reads the user's own file, nil when there is none.
func (c *configuration) readUser() (*configFile, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil, nil // without a home there is none
	}
	path := filepath.Join(dir, "cachex", configName)
	f, err := readConfig(path, false, nil)
	c.looked = append(c.looked, lookedAt{path, "user", f != nil})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errUnreachable) {
		err = nil
	}
	return f, err
}

// readProject reads the nearest file of the working directory and those above it,
// up to the root; nil when there is none.
func (c *configuration) readProject(user *configFile) (*configFile, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("the working directory: %w", err)
	}
	var looked []lookedAt
	defer func() { c.looked = append(looked, c.looked...) }()
	for {
		path := filepath.Join(dir, configName)
		if user == nil || !sameFile(path, user.path) {
			f, err := readConfig(path, true, user)
			looked = append(looked, lookedAt{path, "project", f != nil})
			if f != nil || err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errUnreachable) {
				return f, err
			}
		}
		above := filepath.Dir(dir)
		if above == dir {
			return nil, nil
		}
		dir = above
	}
}

func sameFile(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

// errUnreachable is that of a directory that may not be looked into: what is not to
// be seen is not there.
var errUnreachable = errors.New("its directory cannot be looked into")

// readConfig reads one file. user is the user's, which says what projects to
// trust; nil for none.
func readConfig(path string, project bool, user *configFile) (*configFile, error) {
	text, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	var raw map[string]any
	if _, err := toml.Decode(text, &raw); err != nil {
		var damaged toml.ParseError
		if errors.As(err, &damaged) {
			return nil, prefixed(fmt.Sprintf("%s:%d", shownPath(path), damaged.Position.Line), errors.New(damaged.Message))
		}
		return nil, prefixed(shownPath(path), err)
	}
	f := &configFile{path: path, project: project, trusted: !project, settings: map[string]setting{}, lines: findLines(text)}
	if project && user != nil {
		f.trusted = user.trusts(filepath.Dir(path))
	}
	return f, f.take(raw)
}

func readSmall(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "", errUnreachable
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is no file", shownPath(path))
	}
	in, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	b, err := io.ReadAll(io.LimitReader(in, maxConfig+1))
	if err == nil && len(b) > maxConfig {
		err = fmt.Errorf("%s is too long for settings", shownPath(path))
	}
	return string(b), err
}

// trusts tells whether the user's file lets the one of a directory say everything.
func (f *configFile) trusts(dir string) bool {
	return slices.ContainsFunc(f.settings["trust"].values, func(trusted string) bool { return within(trusted, dir) })
}

// within tells whether a path is a directory or below it, links followed as far as
// there is something.
func within(dir, path string) bool {
	rel, err := filepath.Rel(real(dir), real(path))
	return err == nil && filepath.IsLocal(rel)
}

// real is a path without links. The end of it need not be there.
func real(path string) string {
	if at, err := filepath.EvalSymlinks(path); err == nil {
		return at
	}
	if to, err := os.Readlink(path); err == nil { // it leads to what is not there
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		if to != path {
			return to
		}
	}
	above := filepath.Dir(path)
	if above == path {
		return path
	}
	return filepath.Join(real(above), filepath.Base(path))
}

// fileFlags are the flags of "cachex run" that a file may have, by their names.
func fileFlags() map[string]*pflag.Flag {
	known := map[string]*pflag.Flag{}
	newRunCommand(streams{}, new(int)).Flags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && f.Name != "config" {
			known[f.Name] = f
		}
	})
	return known
}

// gcFlags are those of "cachex cache gc" that a file may have.
func gcFlags() map[string]*pflag.Flag {
	c := newCacheGC(streams{})
	return map[string]*pflag.Flag{"max-size": c.Flags().Lookup("max-size"), "unused-for": c.Flags().Lookup("unused-for")}
}

// shownKey is a key as it is written.
func shownKey(key string) string { return fmt.Sprintf("%q", strings.TrimPrefix(key, "gc.")) }
