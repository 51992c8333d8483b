package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"cachex/proxy/store"
)

func newCachePath(io streams) *cobra.Command {
	o := &cacheCommand{io: io}
	c := &cobra.Command{
		Use: "path [flags] URL", Short: "Print where a URL's file is or would be",
		Long: `Print the path of the file that is, or would be, the answer for a URL: to read
it, or to put one there. Signatures and tokens are no part of it. Other forms of
the document, as for requests with credentials, stand beside it.` + cacheSections(""),
		Example: "  cachex cache path https://registry.example/a-1.0.0.tgz\n  cat \"$(cachex cache path https://registry.example/a-1.0.0.tgz)\"",
	}
	c.ValidArgsFunction = o.completeURL
	return o.command(c, cobra.ExactArgs(1), func(args []string) error {
		_, k, err := parseURL(args[0], o.rules)
		if err != nil {
			return &usageError{err: err}
		}
		name := k.Name("")
		if s, err := o.read(); err == nil { // else it would be as it is without one
			name = s.Path(k, "")
			s.Close()
		}
		_, err = fmt.Fprintln(o.io.out, filepath.Join(o.dir, filepath.FromSlash(name)))
		return err
	})
}

func newCacheURL(io streams) *cobra.Command {
	o := &cacheCommand{io: io}
	c := &cobra.Command{
		Use: "url [flags] PATH", Short: "Print the URL that a file answers",
		Long: `Print the URL for which a file of the cache directory is, or would be, served.
PATH is relative to the working directory, or to the cache directory.` + cacheSections("PATH is no such file, or "),
		Example: "  cachex cache url registry.example/a-1.0.0.tgz",
	}
	return o.command(c, cobra.ExactArgs(1), func(args []string) error {
		name, err := o.nameOf(args[0])
		if err != nil {
			return err
		}
		k, variant, err := store.ParseName(name)
		if err != nil {
			return &exitError{fmt.Errorf("%s is %w", args[0], err), exitFailure, `"cachex help cache-directory" explains the names`}
		}
		scheme := "https"
		if s, err := o.read(); err == nil {
			if m, err := s.Meta(k, variant); err == nil && m.Plain() {
				scheme = "http"
			}
			s.Close()
		}
		_, err = fmt.Fprintln(o.io.out, shownURL(k, scheme))
		return err
	})
}

// nameOf is a path's name below the cache directory. A path that is in it from
// here is meant so; any other is relative to it.
func (o *cacheCommand) nameOf(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	at := func(dir string) (string, bool) {
		rel, err := filepath.Rel(dir, abs)
		return filepath.ToSlash(rel), err == nil && rel != "." && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
	}
	if name, in := at(o.dir); in {
		return name, nil
	}
	if real, err := filepath.EvalSymlinks(o.dir); err == nil {
		if name, in := at(real); in {
			return name, nil
		}
	}
	if filepath.IsAbs(path) {
		return "", &exitError{fmt.Errorf("%s is not below the cache directory %s", path, o.dir), exitFailure, "name the cache directory with --cache DIR"}
	}
	return filepath.ToSlash(filepath.Clean(path)), nil
}

// shownCompletions bounds what a shell is offered.
const shownCompletions = 200

// completeURL offers hosts, and the URLs of a host that has been typed.
func (o *cacheCommand) completeURL(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	_, err := defaults(c, cacheKey)
	dir, e := cacheDirectory(o.dir)
	if len(args) > 0 || err != nil || e != nil {
		return nil, directive
	}
	o.dir = dir
	scheme, rest, ok := strings.Cut(typed, "://")
	if !ok {
		scheme, rest = "https", typed
	}
	prefix := strings.TrimSuffix(typed, rest)
	host, _, hasPath := strings.Cut(rest, "/")
	var found []string
	if !hasPath {
		hosts, _ := os.ReadDir(o.dir) // none are offered then
		for _, h := range hosts {
			if k, _, err := store.ParseName(h.Name() + "/x"); err == nil && h.IsDir() && strings.HasPrefix(k.Host, rest) {
				found = append(found, prefix+k.Host+"/")
			}
		}
		return found, directive
	}
	s, err := o.read()
	if err != nil {
		return nil, directive
	}
	defer s.Close()
	_ = s.Walk(store.Walker{Host: host, Visit: func(d *store.Document) error { // what was found so far is offered
		if u := shownURL(d.Key, scheme); strings.HasPrefix(u, scheme+"://"+rest) {
			found = append(found, prefix+strings.TrimPrefix(u, scheme+"://"))
		}
		if len(found) >= shownCompletions {
			return os.ErrProcessDone
		}
		return nil
	}})
	return found, directive
}
