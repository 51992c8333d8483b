package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"cachex/proxy/store"
)

// cacheDu is "cachex cache du".
type cacheDu struct {
	cacheCommand
	json bool
}

// hostUse is the room that a host takes, as --json prints it.
type hostUse struct {
	Host  string `json:"host"`
	URLs  int    `json:"urls"`
	Bytes int64  `json:"bytes"`         // bodies, metadata and parts
	Git   int64  `json:"git,omitempty"` // mirrors of git repositories
	Own   int64  `json:"own,omitempty"` // of bytes, the user's own files
}

func newCacheDu(io streams) *cobra.Command {
	o := &cacheDu{cacheCommand: cacheCommand{io: io}}
	c := &cobra.Command{
		Use: "du [flags]", Short: "Show the room that each host takes",
		Long: `Show how many URLs are kept of each host and how many bytes they take, those of
mirrors of git repositories apart, the largest first. Bytes are those of the
files: what a file system adds, as for small ones, is not in it.

With --json there is one object on each line, with host, urls, bytes, git and
own, what of bytes are files of your own.` + cacheSections("", "CACHEX_JSON"),
		Example: "  cachex cache du",
	}
	c.Flags().BoolVar(&o.json, "json", false, "print one JSON object for each host")
	return o.command(c, cobra.NoArgs, func([]string) error { return o.run() })
}

func (o *cacheDu) run() error {
	s, err := o.read()
	if err != nil {
		return err
	}
	defer s.Close()
	line := newProgress(o.io.err, "added up")
	defer line.done()
	hosts := map[string]*hostUse{}
	of := func(host string) *hostUse {
		u := hosts[host]
		if u == nil {
			u = &hostUse{Host: strings.Clone(host)}
			hosts[u.Host] = u
		}
		return u
	}
	err = s.Walk(store.Walker{Visit: func(d *store.Document) error {
		u := of(d.Key.Host)
		u.URLs++
		u.Bytes += d.Bytes()
		line.add(d.Bytes())
		for _, f := range d.Forms {
			if f.Own() {
				u.Own += f.Size
			}
		}
		return nil
	}})
	if err == nil {
		err = s.Repositories(func(r store.Repository) error {
			of(r.Key.Host).Git += r.Size
			return nil
		})
	}
	if err != nil {
		return err
	}
	line.done()
	return o.print(hosts)
}

func (o *cacheDu) print(hosts map[string]*hostUse) error {
	all := make([]*hostUse, 0, len(hosts))
	total := hostUse{Host: "all"}
	for _, u := range hosts {
		all = append(all, u)
		total.URLs += u.URLs
		total.Bytes += u.Bytes
		total.Git += u.Git
	}
	slices.SortFunc(all, func(a, b *hostUse) int {
		return cmp.Or(cmp.Compare(b.Bytes+b.Git, a.Bytes+a.Git), cmp.Compare(a.Host, b.Host))
	})
	if o.json {
		out := json.NewEncoder(o.io.out)
		for _, u := range all {
			if err := out.Encode(u); err != nil {
				return err
			}
		}
		return nil
	}
	const line = "%9s %9s %9s  %s\n"
	fmt.Fprintf(o.io.out, line, "URLS", "SIZE", "GIT", "HOST")
	for _, u := range append(all, &total) {
		git := ""
		if u.Git > 0 {
			git = humanize.Bytes(uint64(u.Git))
		}
		if _, err := fmt.Fprintf(o.io.out, line, humanize.Comma(int64(u.URLs)), humanize.Bytes(uint64(u.Bytes)), git, u.Host); err != nil {
			return err
		}
	}
	return nil
}
