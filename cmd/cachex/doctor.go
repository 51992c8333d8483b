package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"
	"github.com/spf13/cobra"

	"cachex/cmd/cachex/report"
	"cachex/proxy/store"
	"cachex/sandbox"
)

const doctorLong = `Find out what cachex can do on this system, by doing it: each way to make a
sandbox is tried and given up again, the best first. "cachex run" takes the
first that works (--sandbox=auto), and does without the parts that a line calls
missing. "fix" is what brings a better one.

  sudo   root makes the sandbox for you: sudo works in your commands
  root   root makes it for root, as in most containers of CI
  user   anybody makes it, in a user namespace; sudo has no power there
  guard  no sandbox: programs are told of cachex by variables, and those that do
         not listen fail at ports below 1024
  env    variables alone

--apparmor prints a profile that lets this program make user namespaces where
AppArmor keeps them from programs that it does not know (Ubuntu from 23.10 on):

  cachex doctor --apparmor | sudo tee /etc/apparmor.d/cachex
  sudo apparmor_parser -r /etc/apparmor.d/cachex

EXIT STATUS
  0 success, 1 no sandbox can be made or the cache cannot be used, 2 wrong use

ENVIRONMENT
  CACHEX_CACHE, CACHEX_CONFIG, CACHEX_JSON and CACHEX_APPARMOR give defaults for
  the flags of those names. What "cachex run" reads matters here too.`

// apparmorProfile is for the paths that packages install to.
//
//go:embed apparmor/cachex
var apparmorProfile string

// doctorOptions are the flags of "cachex doctor".
type doctorOptions struct {
	cache    string
	json     bool
	apparmor bool
}

func newDoctorCommand(io streams) *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:     "doctor",
		Short:   "Find out what works on this system, and how to get the rest",
		Long:    doctorLong,
		Example: "  cachex doctor\n  cachex doctor --json\n  cachex doctor --apparmor",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := defaults(c, cacheKey); err != nil {
				return err
			}
			if o.apparmor {
				_, err := io.out.WriteString(profileFor(apparmorProfile))
				return err
			}
			return o.run(io.out)
		},
	}
	f := c.Flags()
	f.StringVar(&o.cache, "cache", "", "cache `DIR` (default: the user's cache directory + /cachex)")
	configFlag(f)
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.BoolVar(&o.apparmor, "apparmor", false, "print a profile for AppArmor, and check nothing")
	return c
}

// profileFor names this program's own path in the profile, if it is another one.
func profileFor(profile string) string {
	const packaged = "/usr/{,local/}bin/cachex"
	path, err := os.Executable()
	if err != nil || path == "/usr/bin/cachex" || path == "/usr/local/bin/cachex" {
		return profile
	}
	return strings.Replace(profile, packaged, `"`+path+`"`, 1)
}

// The states of a check.
const (
	stateOK      = "ok"
	stateMissing = "missing" // it works, with less
	stateNo      = "no"
)

// check is one line of the doctor's.
type check struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Text  string `json:"text"`
	Fix   string `json:"fix,omitempty"`
}

// diagnosis is all that the doctor says.
type diagnosis struct {
	Schema  int            `json:"schema"`
	Version string         `json:"version"`
	Rung    sandbox.Rung   `json:"rung"` // that auto takes
	Lacks   []sandbox.Part `json:"lacks,omitempty"`
	Checks  []check        `json:"checks"`
	ok      bool
}

func (o *doctorOptions) run(out *os.File) error {
	user, err := invoker()
	if err != nil {
		return err
	}
	d := diagnosis{Schema: report.Schema, Version: version()}
	d.addLadder(sandbox.Ladder(context.Background(), user))
	usable := d.addCache(o.cache, user != nil)
	d.addProxy(os.Getenv)
	if o.json {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		err = e.Encode(d)
	} else {
		err = writeDiagnosis(out, d)
	}
	if err != nil {
		return err
	}
	switch {
	case !d.ok:
		return &exitError{errors.New("no sandbox can be made here: programs that ignore HTTP_PROXY go past the cache"), exitFailure, d.firstFix()}
	case !usable:
		return &exitError{errors.New("the cache directory cannot be used"), exitFailure, ""}
	}
	return nil
}

// firstFix is what brings the best of the sandboxes.
func (d *diagnosis) firstFix() string {
	for _, c := range d.Checks {
		if c.Fix != "" && c.State == stateNo {
			return c.Fix
		}
	}
	return ""
}

// addLadder has a line for each rung. What helps is said of those above the one
// that is taken, and of that one's missing parts.
func (d *diagnosis) addLadder(trials []sandbox.Trial) {
	for _, t := range trials {
		c := check{Name: string(t.Rung), State: stateOK}
		switch {
		case t.Refused != nil:
			c.State = stateNo
			c.Text = fmt.Sprintf("%s: %v", t.Refused.Step, t.Refused.Err)
			c.Fix = t.Refused.Hint
		default:
			c.Text = rungText(t.Rung) + tookText(t.Took)
			var texts, fixes []string
			for _, l := range t.Lacks {
				texts = append(texts, fmt.Sprintf("%s (%s: %v)", lost(l.Part), l.Why.Step, l.Why.Err))
				fixes = append(fixes, l.Why.Hint)
			}
			if len(texts) > 0 {
				c.State = stateMissing
				c.Text, c.Fix = strings.Join(texts, "; "), strings.Join(fixes, "; ")
			}
			if d.Rung == "" {
				d.Rung = t.Rung
				d.ok = t.Rung != sandbox.ByVariables && t.Rung != sandbox.ByGuard
				for _, l := range t.Lacks {
					d.Lacks = append(d.Lacks, l.Part)
				}
			}
		}
		d.Checks = append(d.Checks, c)
	}
	if os.Geteuid() != 0 {
		d.Checks = append(d.Checks, check{"sudo", stateNo, "has no power in your commands", "sudo cachex run, for commands that call it"})
	}
}

func tookText(d time.Duration) string {
	return fmt.Sprintf(" (%.1f ms)", float64(d.Microseconds())/1000)
}

// rungText says what a rung gives that lacks nothing.
func rungText(r sandbox.Rung) string {
	switch r {
	case sandbox.ByRoot:
		return "everything leads to cachex; the command is root"
	case sandbox.BySudo:
		return "everything leads to cachex; sudo works"
	case sandbox.ByUser:
		return "everything leads to cachex"
	case sandbox.ByGuard:
		return "variables lead to cachex; others fail below 1024"
	}
	return "variables lead to cachex; others are not seen"
}

// addCache tells whether the directory can be used. Under sudo, this process is
// root, who leaves nothing in a user's directory.
func (d *diagnosis) addCache(dir string, sudo bool) bool {
	dir, err := cacheDirectory(dir)
	if err != nil {
		d.Checks = append(d.Checks, check{"cache", stateNo, err.Error(), "name a directory with --cache"})
		return false
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) && writableParent(dir) {
		d.Checks = append(d.Checks, check{"cache", stateOK, "not there yet: " + dir, ""})
		return true
	}
	s, err := store.Open(dir, sudo)
	if err != nil {
		e := cacheError(dir, err)
		var exit *exitError
		errors.As(e, &exit)
		d.Checks = append(d.Checks, check{"cache", stateNo, e.Error(), exit.hint})
		return false
	}
	defer s.Close()
	if s.ReadOnly() && !sudo {
		d.Checks = append(d.Checks, check{"cache", stateMissing, dir + " is read-only: for --offline", "make it writable, or name another one with --cache"})
		return true
	}
	d.Checks = append(d.Checks, check{"cache", stateOK, dir, ""})
	return true
}

// addProxy tells how cachex itself gets to the network.
func (d *diagnosis) addProxy(getenv func(string) string) {
	text := "directly"
	for _, name := range []string{"HTTPS_PROXY", "https_proxy"} {
		if v := getenv(name); v != "" {
			text = "through the proxy of " + name
		}
	}
	d.Checks = append(d.Checks, check{"network", stateOK, text, ""})
}

// writeDiagnosis is the table: a line for each check, and one below it for what
// helps.
func writeDiagnosis(out *os.File, d diagnosis) error {
	p, width := report.NewPalette(out), report.WidthOf(out)-doctorIndent
	var b strings.Builder
	fmt.Fprintf(&b, "%s auto takes %q: %s\n", p.Title.Render("cachex:"), d.Rung, taken(d))
	for _, c := range d.Checks {
		state := p.Good
		switch c.State {
		case stateMissing:
			state = p.Warn
		case stateNo:
			state = p.Dim
		}
		fmt.Fprintf(&b, "  %-8s%s ", c.Name, state.Render(fmt.Sprintf("%-7s", c.State)))
		hang(&b, c.Text, width)
		if c.Fix != "" {
			b.WriteString(strings.Repeat(" ", doctorIndent))
			hang(&b, "fix: "+c.Fix, width)
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// doctorIndent is where the third column begins.
const doctorIndent = len("  network missing ")

// hang writes a text whose further lines begin in the third column. A path or an
// option stays whole.
func hang(b *strings.Builder, text string, width int) {
	used := 0
	for _, word := range strings.Fields(text) {
		n := lipgloss.Width(word)
		switch {
		case used == 0:
		case used+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", doctorIndent))
			used = 0
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += n
	}
	b.WriteByte('\n')
}

// taken says in a word how good the best rung is.
func taken(d diagnosis) string {
	var parts []string
	for _, l := range d.Lacks {
		parts = append(parts, string(l))
	}
	switch {
	case !d.ok:
		return "no sandbox can be made"
	case len(parts) > 0:
		return "a sandbox without " + strings.Join(parts, ", ")
	}
	return "a whole sandbox"
}
