package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const configLong = `Print the settings that are in force for "cachex run" here, each with where it
comes from: a variable, a line of a file, or the default. Files are cachex.toml
of this directory or the nearest one above it, then of the user's configuration
directory; see "cachex help config". What is printed as text is such a file.

With --path the files are listed that were looked for, the strongest first, and
which of them were read.

Values that may be secret are left out: of the fields that rules add to requests
the variable is named alone.

EXIT STATUS
  0 success, 1 failure, 2 wrong use, or a file with a mistake

ENVIRONMENT
  CACHEX_CONFIG, CACHEX_FORMAT and CACHEX_PATH give defaults for the flags of
  those names. XDG_CONFIG_HOME, else $HOME/.config, has the user's file. Those
  that "cachex run" reads are what is printed.`

// configCommand is "cachex config".
type configCommand struct {
	io     streams
	format string
	paths  bool
}

func newConfigCommand(io streams) *cobra.Command {
	o := &configCommand{io: io}
	c := &cobra.Command{
		Use: "config [flags]", Short: "Print the settings in force, and where they come from",
		Long: configLong, Args: noArguments,
		Example: "  cachex config\n  cachex config --path\n  cachex config --format json",
		RunE: func(c *cobra.Command, _ []string) error {
			conf, err := defaults(c, func(string) string { return "" })
			if err != nil {
				return err
			}
			return o.run(conf)
		},
	}
	configFlag(c.Flags())
	c.Flags().StringVar(&o.format, "format", "text", "`FORMAT`: text or json")
	c.Flags().BoolVar(&o.paths, "path", false, "list the files that were looked for")
	return c
}

// shownSetting is a setting as --format json prints it.
type shownSetting struct {
	Name string `json:"name"`
	// Value is a word, true or false, or a list.
	Value    any    `json:"value"`
	From     string `json:"from"` // default, variable or file
	Variable string `json:"variable,omitempty"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`

	source string
	toml   string
}

// shownRule is a rule as --format json prints it.
type shownRule struct {
	URL         string            `json:"url"`
	Place       string            `json:"place"` // FILE:LINE
	Policy      string            `json:"policy,omitempty"`
	TTL         string            `json:"ttl,omitempty"`
	DropQuery   []string          `json:"drop-query,omitempty"`
	Pass        bool              `json:"pass,omitempty"`
	Passthrough bool              `json:"passthrough,omitempty"`
	Header      map[string]string `json:"header,omitempty"` // the variables
}

func (o *configCommand) run(conf *configuration) error {
	if o.format != "text" && o.format != "json" {
		return &usageError{unknownWord(fmt.Errorf("unknown format %q: it is text or json", o.format), o.format, []string{"text", "json"}, "%s"), "cachex config"}
	}
	var settings []shownSetting
	err := errors.Join(
		addSettings(&settings, conf, newRunCommand(o.io, new(int)).Flags(), runKey),
		addSettings(&settings, conf, newCacheGC(o.io).Flags(), func(flag string) string {
			if key := gcKey(flag); strings.HasPrefix(key, "gc.") {
				return key
			}
			return ""
		}))
	if err != nil {
		return &usageError{err, "cachex config"}
	}
	out := bufio.NewWriter(o.io.out)
	rules := shownRules(conf)
	switch {
	case o.format == "json":
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		err = e.Encode(struct {
			Files    []lookedAt     `json:"files"`
			Settings []shownSetting `json:"settings"`
			Rules    []shownRule    `json:"rules"`
		}{append([]lookedAt{}, conf.looked...), settings, append([]shownRule{}, rules...)})
	case o.paths:
		for _, l := range conf.looked {
			state := "not there"
			if l.Read {
				state = "read"
			}
			fmt.Fprintf(out, "%-9s %-7s %s\n", state, l.Kind, l.Path)
		}
	default:
		printSettings(out, settings, rules)
	}
	return errors.Join(err, out.Flush())
}

// addSettings adds those flags that are keys.
func addSettings(all *[]shownSetting, conf *configuration, flags *pflag.FlagSet, keyOf func(string) string) error {
	if err := fromEnvironment(flags, os.Getenv); err != nil {
		return err
	}
	from, err := conf.fill(flags, keyOf)
	if err != nil {
		return err
	}
	flags.VisitAll(func(f *pflag.Flag) {
		key := keyOf(f.Name)
		if key == "" || f.Name == "help" || f.Name == "config" || err != nil {
			return
		}
		src := from[f.Name]
		s := shownSetting{Name: key, From: src.kind, Variable: src.variable, source: src.String()}
		if src.kind == "file" {
			s.File, s.Line = src.setting.file.path, src.setting.line
		}
		err = s.show(f)
		*all = append(*all, s)
	})
	return err
}

// show makes the value one that may be seen.
func (s *shownSetting) show(f *pflag.Flag) error {
	v := f.Value.String()
	if list, ok := f.Value.(pflag.SliceValue); ok {
		words := []string{}
		for _, w := range list.GetSlice() {
			if name, _, has := strings.Cut(w, "="); has && f.Name == "env" {
				w = name + "=" + hidden
			}
			words = append(words, withoutSecrets([]string{w})...)
		}
		s.Value, s.toml = words, quoteAll(words)
		if len(words) == 0 && s.From == "default" {
			s.toml = ""
		}
		return nil
	}
	if f.Value.Type() == "bool" {
		s.Value, s.toml = v == "true", v
		return nil
	}
	if f.Name == "cache" {
		var err error
		if v, err = cacheDirectory(v); err != nil {
			return err
		}
	}
	if s.Value = v; v != "" {
		s.toml = quote(v)
	}
	return nil
}

// quote writes a string of TOML: JSON's escapes are TOML's too.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return strconv.Quote(s)
	}
	return string(b)
}

func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// shownRules are those of all files.
func shownRules(conf *configuration) []shownRule {
	var shown []shownRule
	for _, f := range conf.files {
		for _, r := range f.rules {
			s := shownRule{URL: withoutSecrets([]string{r.URL.String()})[0], Place: r.Place, Policy: string(r.Mode), DropQuery: r.DropQuery, Pass: r.Pass}
			if r.Life != nil {
				s.TTL = r.Life.String()
			}
			for _, h := range r.header {
				if s.Header == nil {
					s.Header = map[string]string{}
				}
				s.Header[h.name] = strings.TrimPrefix(h.scheme+" ", " ") + "$" + h.variable
			}
			shown = append(shown, s)
		}
		for _, r := range f.passthrough {
			shown = append(shown, shownRule{URL: r.pattern, Place: r.place, Passthrough: true})
		}
	}
	return shown
}

// printSettings writes a file that says the same.
func printSettings(out *bufio.Writer, settings []shownSetting, rules []shownRule) {
	line := func(key, value, from string) { fmt.Fprintf(out, "%-40s # %s\n", key+" = "+value, from) }
	table := ""
	for _, s := range settings {
		key, in := s.Name, ""
		if t, k, ok := strings.Cut(s.Name, "."); ok {
			in, key = t, k
		}
		if s.toml == "" {
			continue
		}
		if in != table {
			table = in
			fmt.Fprintf(out, "\n[%s]\n", in)
		}
		line(key, s.toml, s.source)
	}
	for _, r := range rules {
		fmt.Fprintf(out, "\n%-40s # %s\nurl = %s\n", "[[rule]]", r.Place, quote(r.URL))
		for _, kv := range [][2]string{{"policy", r.Policy}, {"ttl", r.TTL}} {
			if kv[1] != "" {
				fmt.Fprintf(out, "%s = %s\n", kv[0], quote(kv[1]))
			}
		}
		if r.DropQuery != nil {
			fmt.Fprintf(out, "drop-query = %s\n", quoteAll(r.DropQuery))
		}
		if r.Pass {
			fmt.Fprintln(out, "pass = true")
		}
		if r.Passthrough {
			fmt.Fprintln(out, "passthrough = true")
		}
		var fields []string
		for name, from := range r.Header {
			fields = append(fields, name+" = "+quote(from))
		}
		if slices.Sort(fields); fields != nil {
			fmt.Fprintf(out, "header = { %s }\n", strings.Join(fields, ", "))
		}
	}
}
