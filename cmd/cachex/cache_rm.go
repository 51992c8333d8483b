package main

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"cachex/proxy/store"
)

// cacheRm is "cachex cache rm".
type cacheRm struct {
	cacheCommand
	dry bool
}

func newCacheRm(io streams) *cobra.Command {
	o := &cacheRm{cacheCommand: cacheCommand{io: io}}
	c := &cobra.Command{
		Use: "rm [flags] GLOB...", Short: "Remove what is kept of URLs",
		Long: `Remove what is kept of the URLs that match a GLOB, in all forms, with its
metadata and what was kept of it in parts, and the mirrors of git repositories.
Your own files among them are removed as well. It is fetched again when it is
next asked for; who is reading it meanwhile gets it all.` + cacheSections("nothing matches a GLOB, or ", "CACHEX_DRY_RUN"),
		Example: "  cachex cache rm https://registry.example/a-1.0.0.tgz\n  cachex cache rm --dry-run '*.example' '*-rc.1.tgz'",
	}
	c.Flags().BoolVar(&o.dry, "dry-run", false, "print what would be removed, and remove nothing")
	c.ValidArgsFunction = o.completeURL
	return o.command(c, cobra.MinimumNArgs(1), o.run)
}

func (o *cacheRm) run(args []string) error {
	var globs []urlGlob
	for _, text := range args {
		g, err := parseGlob(text, o.rules)
		if err != nil {
			return &usageError{err: err}
		}
		globs = append(globs, g)
	}
	s, err := o.changeUnless(o.dry)
	if err != nil {
		return err
	}
	defer s.Close()
	var discarder *store.Discarder
	if !o.dry {
		if discarder, err = s.NewDiscarder(); err != nil {
			return err
		}
		defer discarder.Close()
	}
	urls, freed, none := 0, int64(0), ""
	for _, g := range globs {
		n := 0
		remove := func(url string, drop func() (int64, error)) error {
			n++
			if o.dry {
				_, err := fmt.Fprintln(o.io.out, url)
				return err
			}
			b, err := drop()
			freed += b
			return err
		}
		err := s.Walk(store.Walker{Host: g.Host(), Only: g.key, Visit: func(d *store.Document) error {
			if forms := o.matching(s, &g, d); len(forms) > 0 {
				return remove(shownURL(d.Key, "https"), func() (int64, error) { return dropForms(discarder, d.Key, forms) })
			}
			return nil
		}})
		if err == nil {
			err = s.Repositories(func(r store.Repository) error {
				if !g.key(r.Key) {
					return nil
				}
				return remove(shownURL(r.Key, "https")+" (git)", func() (int64, error) { return s.DiscardRepository(r, time.Time{}) })
			})
		}
		if err != nil {
			return err
		}
		if urls += n; n == 0 && none == "" {
			none = g.String()
		}
	}
	if urls > 0 && !o.dry {
		fmt.Fprintf(o.io.err, "cachex: removed %s, %s\n", countOf(urls, "URL"), humanize.Bytes(uint64(freed)))
	}
	if none != "" {
		return nothingFound(o.dir, none)
	}
	return nil
}

// matching are the forms of a document, of which the URL matches, that a glob means.
func (o *cacheRm) matching(s *store.Store, g *urlGlob, d *store.Document) []store.Form {
	if g.Scheme() == "" {
		return d.Forms
	}
	var forms []store.Form
	for _, f := range d.Forms {
		m, _ := s.Meta(d.Key, f.Variant) // of what is damaged the scheme is not known
		if g.form(m) {
			forms = append(forms, f)
		}
	}
	return forms
}

func dropForms(d *store.Discarder, k store.Key, forms []store.Form) (freed int64, err error) {
	for _, f := range forms {
		n, e := d.Discard(k, f)
		freed += n
		if err == nil {
			err = e
		}
	}
	return freed, err
}

// countOf is a number of things, in words.
func countOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return humanize.Comma(int64(n)) + " " + what + "s"
}
