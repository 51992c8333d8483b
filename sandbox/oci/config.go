package oci

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"strings"
)

// config is a container's config.json (OCI runtime specification, config.md). What
// is not known here stays as it was.
type config struct {
	all     map[string]json.RawMessage
	process processConfig
	root    struct {
		Path     string `json:"path"`
		Readonly bool   `json:"readonly"`
	}
	mounts []json.RawMessage
	seen   []mount
}

type processConfig struct {
	all map[string]json.RawMessage
	Env []string
}

type mount struct {
	Destination string   `json:"destination"`
	Type        string   `json:"type,omitempty"`
	Source      string   `json:"source,omitempty"`
	Options     []string `json:"options,omitempty"`
}

func readObject(path string) (map[string]json.RawMessage, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func writeObject(path string, m map[string]json.RawMessage) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, info.Mode().Perm())
}

func readConfig(path string) (*config, error) {
	all, err := readObject(path)
	if err != nil {
		return nil, err
	}
	c := &config{all: all}
	for name, to := range map[string]any{"process": &c.process.all, "root": &c.root, "mounts": &c.mounts} {
		if all[name] == nil {
			continue
		}
		if err := json.Unmarshal(all[name], to); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, name, err)
		}
	}
	if env := c.process.all["env"]; env != nil {
		if err := json.Unmarshal(env, &c.process.Env); err != nil {
			return nil, fmt.Errorf("%s: process.env: %w", path, err)
		}
	}
	for _, raw := range c.mounts {
		var m mount
		if err := json.Unmarshal(raw, &m); err != nil {
			return nil, fmt.Errorf("%s: mounts: %w", path, err)
		}
		c.seen = append(c.seen, m)
	}
	return c, nil
}

// covers tells whether a mount hides a directory of the root, or a part of it.
func (c *config) covers(dir string) bool {
	for _, m := range c.seen {
		at := path.Clean(m.Destination)
		if at == dir || strings.HasPrefix(dir, at+"/") || strings.HasPrefix(at, dir+"/") {
			return true
		}
	}
	return false
}

func (c *config) has(at, kind string) bool {
	for _, m := range c.seen {
		if path.Clean(m.Destination) == at && m.Type == kind {
			return true
		}
	}
	return false
}

func (c *config) add(m mount) {
	b, err := json.Marshal(m)
	if err != nil { // of strings alone
		panic(err)
	}
	c.mounts = append(c.mounts, b)
}

func (c *config) write(path string) error {
	for _, part := range []struct {
		in   map[string]json.RawMessage
		name string
		v    any
	}{
		{c.process.all, "env", c.process.Env}, {c.all, "mounts", c.mounts},
	} {
		if part.in == nil {
			continue
		}
		b, err := json.Marshal(part.v)
		if err != nil {
			return err
		}
		part.in[part.name] = b
	}
	if c.process.all != nil {
		b, err := json.Marshal(c.process.all)
		if err != nil {
			return err
		}
		c.all["process"] = b
	}
	return writeObject(path, c.all)
}
