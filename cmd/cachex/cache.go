package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

const cacheLong = `Look into the cache directory, change it, and carry it elsewhere. It consists of
plain files, and ls, cp, rm and tar do as well: see "cachex help
cache-directory". Runs may go on meanwhile.

A GLOB is a URL in which each * stands for any characters, slashes as well:

  registry.example              all of a host
  'https://*.example/*.tgz'     archives of all hosts below example
  '*/a-1.0.0*'                  any URL with that in it

Without https:// or http:// it means both. Quote it, or the shell may look for
files of that name.

EXIT STATUS
  0 success, 1 failure, 2 wrong use

ENVIRONMENT
  See the help of each command.`

// cacheSections ends the help of the commands of "cachex cache". exit is what 1
// means beside a failure; names are the variables of flags.
func cacheSections(exit string, names ...string) string {
	var b strings.Builder
	b.WriteString("\n\nEXIT STATUS\n  0 success, 1 " + exit + "failure, 2 wrong use\n\nENVIRONMENT\n" +
		"  CACHEX_CACHE    the cache directory, else cachex in that of the user's caches\n" +
		"  XDG_CACHE_HOME  has the user's caches, else $HOME/.cache\n" +
		"  CACHEX_CONFIG   the file of settings, or none: see \"cachex help config\"")
	if len(names) > 0 {
		b.WriteString("\n  " + strings.Join(names, ", ") + "\n                  defaults for the flags of those names")
	}
	return b.String()
}

// cacheCommand is what the commands of "cachex cache" have in common.
type cacheCommand struct {
	io  streams
	dir string // --cache
	// rules of the files of settings.
	rules policy.Rules
}

func newCacheCommand(io streams) *cobra.Command {
	c := &cobra.Command{
		Use: "cache", Short: "Look into the cache, change it, carry it", Long: cacheLong, Args: noArguments,
		Example: "  cachex cache ls\n  cachex cache du",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newCacheLs(io), newCachePath(io), newCacheURL(io), newCachePut(io), newCacheRm(io), newCacheDu(io),
		newCacheVerify(io), newCacheGC(io), newCacheExport(io), newCacheImport(io), newCacheFill(io))
	return c
}

// command completes a command of "cachex cache": its flags' defaults come from the
// environment and from files, --cache names the directory, and errors say what to do.
func (o *cacheCommand) command(c *cobra.Command, args cobra.PositionalArgs, run func(args []string) error) *cobra.Command {
	c.Flags().StringVar(&o.dir, "cache", "", "cache `DIR` (default: the user's cache directory + /cachex)")
	configFlag(c.Flags())
	keyOf := cacheKey
	if c.Name() == "gc" {
		keyOf = gcKey
	}
	c.Args = func(c *cobra.Command, given []string) error {
		if err := args(c, given); err != nil {
			return &usageError{err, c.CommandPath()}
		}
		return nil
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		conf, err := defaults(c, keyOf)
		if err == nil {
			o.rules = conf.rules(os.Getenv)
			o.dir, err = cacheDirectory(o.dir)
		}
		if err == nil {
			err = run(args)
		}
		var wrong *usageError
		if errors.As(err, &wrong) {
			wrong.command = c.CommandPath()
		}
		return o.explain(err)
	}
	return c
}

// cacheDirectory is the one that --cache names, else the user's.
func cacheDirectory(named string) (string, error) {
	if named != "" {
		return filepath.Abs(named)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory: %w; name one with --cache", err)
	}
	return filepath.Abs(filepath.Join(dir, "cachex"))
}

// read opens a directory that is there, to be looked at alone.
func (o *cacheCommand) read() (*store.Store, error) { return store.Open(o.dir, true) }

// change opens a directory that is there, to be changed.
func (o *cacheCommand) change() (*store.Store, error) {
	if _, err := os.Stat(o.dir); err != nil {
		return nil, err
	}
	return o.create()
}

// changeUnless opens a directory that is there, to be changed if it is no dry run.
func (o *cacheCommand) changeUnless(dry bool) (*store.Store, error) {
	if dry {
		return o.read()
	}
	return o.change()
}

// create opens a directory to be changed, and makes it when it is missing.
func (o *cacheCommand) create() (*store.Store, error) {
	s, err := store.Open(o.dir, false)
	if err == nil && s.ReadOnly() {
		s.Close()
		return nil, store.ErrReadOnly
	}
	return s, err
}

// explain adds to an error about the directory what can be done about it.
func (o *cacheCommand) explain(err error) error {
	var exit *exitError
	var wrong *usageError
	fi, missing := os.Stat(o.dir)
	switch {
	case err == nil, errors.As(err, &exit), errors.As(err, &wrong):
		return err
	case errors.Is(missing, fs.ErrNotExist):
		return &exitError{fmt.Errorf("there is no cache directory %s", o.dir), exitFailure,
			`the first "cachex run" makes it; another one is named with --cache DIR`}
	case missing == nil && !fi.IsDir():
		return &exitError{fmt.Errorf("%s is not a directory", o.dir), exitFailure, "name the cache directory with --cache DIR"}
	case errors.Is(err, syscall.EROFS):
		return &exitError{fmt.Errorf("%s is on a file system that can only be read", o.dir), exitFailure, "copy it to another one, and name that with --cache DIR"}
	case errors.Is(err, fs.ErrPermission), errors.Is(err, store.ErrReadOnly):
		return &exitError{fmt.Errorf("%s may not be changed or read: %w", o.dir, err), exitFailure, ownerHint(o.dir)}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return &exitError{err, exitFailure, "make room on its disk; what was done so far is whole, and the command can be run again"}
	}
	return err
}

// ownerHint says how a directory becomes the user's, or what else helps.
func ownerHint(dir string) string {
	owner, me := store.Owner(dir), os.Getuid()
	mend := fmt.Sprintf("sudo chown -R %d:%d %s", me, os.Getgid(), commandLine([]string{dir}))
	if owner < 0 || owner == me {
		return "files in it may be another user's; to make them yours: " + mend
	}
	name := strconv.Itoa(owner)
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	return fmt.Sprintf("it belongs to %s; to make it yours: %s", name, mend)
}

// nothingFound is the error for a glob that is no URL of the cache.
func nothingFound(dir, glob string) error {
	hint := "cachex cache ls shows all there is"
	if !strings.Contains(glob, "*") {
		hint = "each * stands for any characters: '" + glob + "*'; " + hint
	}
	return &exitError{fmt.Errorf("nothing in %s is %s", dir, glob), exitFailure, hint}
}
