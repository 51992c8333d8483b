package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cachex/proxy"
	"cachex/proxy/policy"
)

// What a file may say. A file of a project comes with a repository that somebody
// else has written, and cachex reads it before any command of theirs runs: without
// the user's trust it may not name caches (whose files would be served for those of
// a server), open ways out of the sandbox, pick the command's container, or write
// outside of its own directory.

// projectKeys are those that every project may set. Of projectFiles the files must
// be the project's own.
var (
	projectKeys  = []string{"policy", "offline", "frozen", "fail-on-miss", "allow", "deny", "lock", "report", "subject", "verbose", "progress", "quiet"}
	projectFiles = []string{"lock", "report", "subject", "verbose"}
)

// narrowKeys are those that take something away from the command. What the user's
// file says of them comes before a project's, which could give it back.
var narrowKeys = []string{"allow", "deny", "offline", "frozen"}

// take reads all keys.
func (f *configFile) take(raw map[string]any) error {
	flags := fileFlags()
	known := slices.Concat(slices.Collect(maps.Keys(flags)), []string{"gc", "rule"})
	if !f.project {
		known = append(known, "trust")
	}
	slices.Sort(known)
	for _, key := range f.inOrder("", raw) {
		var err error
		switch flag := flags[key]; {
		case flag != nil:
			err = f.takeFlag(key, flag, raw[key])
		case key == "trust" && !f.project:
			err = f.takeTrust(raw[key])
		case key == "trust":
			err = &hintedError{errors.New("a project cannot trust itself"), "it is for the user's own file: cachex config --path shows where that is"}
		case key == "gc":
			err = f.takeGC(raw[key])
		case key == "rule":
			err = f.takeRules(raw[key])
		default:
			err = unknownWord(fmt.Errorf("unknown key %q", key), key, known, "%q")
		}
		if err != nil {
			return f.placed(key, err)
		}
	}
	return nil
}

// placed says where an error is, unless it says so itself.
func (f *configFile) placed(key string, err error) error {
	var at *placedError
	if errors.As(err, &at) {
		return err
	}
	return &placedError{f.fail(key, err)}
}

// placedError is one that says where it is.
type placedError struct{ error }

func (e *placedError) Unwrap() error { return e.error }

// inOrder are the keys of a table as they stand in the file: the first fault is the
// one to be told of.
func (f *configFile) inOrder(table string, raw map[string]any) []string {
	return slices.SortedFunc(maps.Keys(raw), func(a, b string) int {
		if d := f.lines.of(join(table, a)) - f.lines.of(join(table, b)); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}

// takeFlag reads a key that is a flag's name.
func (f *configFile) takeFlag(key string, flag *pflag.Flag, raw any) error {
	if !f.trusted && !slices.Contains(projectKeys, key) {
		return f.untrusted(fmt.Sprintf("a project's file may not set %q by itself", key), "--"+key)
	}
	s := setting{file: f, line: f.lines.of(key)}
	var err error
	if on, is := raw.(bool); is && flag.NoOptDefVal != "" && flag.Value.Type() == "string" {
		// As the flag without a value: what it stands for is here, not by the file.
		if !on {
			s.values = []string{""}
			f.settings[key] = s
			return nil
		}
		if raw, err = filepath.Abs(flag.NoOptDefVal); err != nil {
			return err
		}
	}
	if _, many := flag.Value.(pflag.SliceValue); many {
		s.values, err = texts(key, raw)
	} else {
		var v string
		v, err = text(key, flag.Value.Type(), raw)
		s.values = []string{v}
	}
	if err != nil {
		return err
	}
	for i, v := range s.values {
		if s.values[i], err = f.absolute(key, v); err != nil {
			return err
		}
	}
	if err := checkSetting(key, s.values); err != nil {
		return err
	}
	f.settings[key] = s
	return nil
}

// untrusted is the error for what a project may say only with the user's word.
func (f *configFile) untrusted(what, flag string) error {
	dir, err := os.UserConfigDir()
	if err != nil {
		dir = "the configuration directory"
	}
	hint := fmt.Sprintf("if you know who wrote it: trust = [%q] in %s, or --config %s", filepath.Dir(f.path), filepath.Join(dir, "cachex", configName), shownPath(f.path))
	if flag != "" {
		hint += "; or set " + flag + " yourself"
	}
	return &hintedError{errors.New(what), hint}
}

// typeNames are those of TOML's types, for people.
func typeName(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case bool:
		return "true or false"
	case int64, float64:
		return "a number"
	case []any, []map[string]any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date"
}

// text reads a value that is one word.
func text(key, kind string, raw any) (string, error) {
	switch v := raw.(type) {
	case bool:
		if kind == "bool" {
			return strconv.FormatBool(v), nil
		}
	case string:
		if kind != "bool" && v == "" {
			return "", fmt.Errorf("%q is empty", key)
		}
		if kind != "bool" {
			return v, nil
		}
	}
	want := "a string"
	if kind == "bool" {
		want = "true or false"
	}
	return "", fmt.Errorf("%q takes %s, not %s", key, want, typeName(raw))
}

// texts reads a list, or one word in place of it. Ports may be numbers.
func texts(key string, raw any) ([]string, error) {
	list, ok := raw.([]any)
	if !ok {
		list = []any{raw}
	}
	words := []string{}
	for _, item := range list {
		switch v := item.(type) {
		case string:
			if v == "" {
				return nil, fmt.Errorf("%q has an empty member", key)
			}
			words = append(words, v)
			continue
		case int64:
			if key == "host-port" || key == "publish" {
				words = append(words, strconv.FormatInt(v, 10))
				continue
			}
		}
		if ok {
			return nil, fmt.Errorf("%q takes a list of strings, and %s is in it", key, typeName(item))
		}
		return nil, fmt.Errorf("%q takes a list of strings, not %s", key, typeName(raw))
	}
	return words, nil
}

// absolute makes a path absolute: it is relative to the file's directory, or begins
// with ~/ for the user's home.
func (f *configFile) absolute(key, v string) (string, error) {
	before, after := "", ""
	switch key {
	case "cache", "layer", "lower", "lock", "verbose", "subject", "trust":
	case "report":
		format, file, ok := strings.Cut(v, "=")
		if !ok || file == "" {
			return v, nil
		}
		before, v = format+"=", file
	case "volume":
		source, rest, _ := strings.Cut(v, ":")
		if !strings.Contains(source, "/") && source != "." && source != ".." {
			return v, nil // the name of a volume
		}
		v, after = source, ":"+rest
	default:
		return v, nil
	}
	if rest, ok := strings.CutPrefix(v, "~/"); ok || v == "~" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		v = filepath.Join(home, rest)
	}
	if !filepath.IsAbs(v) {
		v = filepath.Join(filepath.Dir(f.path), v)
	}
	if !f.trusted && slices.Contains(projectFiles, key) && !within(filepath.Dir(f.path), v) {
		return "", f.untrusted(fmt.Sprintf("%q of a project's file must be in its directory", key), "--"+key)
	}
	return before + v + after, nil
}

// checkSetting tries what has a form of its own, so that an error has its line.
func checkSetting(key string, values []string) error {
	var err error
	switch key {
	case "policy":
		_, err = parsePolicy(values[0])
	case "allow", "deny", "passthrough":
		_, err = proxy.ParseHosts(values)
	case "host-port":
		_, err = parseHostPorts(values)
	case "publish":
		_, err = parsePublish(values)
	case "report":
		_, err = parseReports(values, false)
	case "sandbox":
		err = knownSandbox(values[0])
	}
	return err
}

// parsePolicy is policy.ParseMode with what was likely meant.
func parsePolicy(word string) (policy.Mode, error) {
	m, err := policy.ParseMode(word)
	if err != nil {
		return m, unknownWord(fmt.Errorf("%w: it is artifacts, forever or rfc9111", err), word,
			[]string{string(policy.Artifacts), string(policy.Forever), string(policy.RFC9111)}, "%s")
	}
	return m, nil
}

// takeTrust reads the directories whose projects the user trusts.
func (f *configFile) takeTrust(raw any) error {
	dirs, err := texts("trust", raw)
	if err != nil {
		return err
	}
	for i, dir := range dirs {
		if dirs[i], err = f.absolute("trust", dir); err != nil {
			return err
		}
	}
	f.settings["trust"] = setting{dirs, f, f.lines.of("trust")}
	return nil
}

// takeGC reads the defaults of "cachex cache gc".
func (f *configFile) takeGC(raw any) error {
	table, ok := raw.(map[string]any)
	if !ok {
		return fmt.Errorf(`"gc" is a table, [gc], not %s`, typeName(raw))
	}
	if !f.trusted {
		return f.untrusted("a project's file may not say what of a cache is removed", "")
	}
	flags := gcFlags()
	for _, key := range f.inOrder("gc", table) {
		at := join("gc", key)
		if flags[key] == nil {
			return f.placed(at, unknownWord(fmt.Errorf("unknown key %q in [gc]", key), key, slices.Sorted(maps.Keys(flags)), "%q"))
		}
		v, err := text(key, "string", table[key])
		if err != nil {
			return f.placed(at, err)
		}
		f.settings[at] = setting{[]string{v}, f, f.lines.of(at)}
	}
	return nil
}

// find is the strongest setting of a key.
func (c *configuration) find(key string) (setting, bool) {
	files := c.files
	if slices.Contains(narrowKeys, key) {
		files = slices.Clone(files)
		slices.Reverse(files)
	}
	for _, f := range files {
		if s, ok := f.settings[key]; ok {
			return s, true
		}
	}
	return setting{}, false
}

// source is where a flag's value comes from.
type source struct {
	kind     string // default, flag, variable or file
	variable string
	setting  setting
}

func (s source) String() string {
	switch s.kind {
	case "variable":
		return s.variable
	case "file":
		return s.setting.at()
	}
	return s.kind
}

// fill gives each flag that neither the command line nor the environment has set
// what the files say of the key that keyOf names, "" for none.
func (c *configuration) fill(flags *pflag.FlagSet, keyOf func(flag string) string) (map[string]source, error) {
	from := map[string]source{}
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		switch name := variable(f); {
		case f.Changed:
			from[f.Name] = source{kind: "flag"}
			return
		case os.Getenv(name) != "":
			from[f.Name] = source{kind: "variable", variable: name}
			return
		}
		from[f.Name] = source{kind: "default"}
		key := keyOf(f.Name)
		s, ok := c.find(key)
		if key == "" || !ok {
			return
		}
		from[f.Name] = source{kind: "file", setting: s}
		var err error
		if list, many := f.Value.(pflag.SliceValue); many {
			err = list.Replace(s.values)
		} else {
			err = f.Value.Set(s.values[0])
		}
		if err != nil && failed == nil {
			failed = s.file.fail(key, err)
		}
	})
	return from, failed
}

// runKey is the key of a flag of "cachex run".
func runKey(flag string) string { return flag }

// cacheKey is the key of a flag that other commands have.
func cacheKey(flag string) string {
	if flag == "cache" {
		return flag
	}
	return ""
}

// defaults gives the flags of a command that were not set their values: from the
// environment, then from the files.
func defaults(c *cobra.Command, keyOf func(flag string) string) (*configuration, error) {
	if err := fromEnvironment(c.Flags(), os.Getenv); err != nil {
		return nil, err
	}
	named := ""
	if f := c.Flags().Lookup("config"); f != nil {
		named = f.Value.String()
	}
	conf, err := readConfiguration(named)
	if err == nil {
		_, err = conf.fill(c.Flags(), keyOf)
	}
	if err != nil {
		return nil, &usageError{err, c.CommandPath()}
	}
	return conf, nil
}

// gcKey is the key of a flag of "cachex cache gc".
func gcKey(flag string) string {
	if flag == "max-size" || flag == "unused-for" {
		return "gc." + flag
	}
	return cacheKey(flag)
}

// configFlag is the flag that all commands have that read files of settings.
func configFlag(f *pflag.FlagSet) {
	f.String("config", "", "`FILE` of settings, or none (default: see \"cachex help config\")")
}
