package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"cachex/proxy/store"
)

// cacheLs is "cachex cache ls".
type cacheLs struct {
	cacheCommand
	json bool

	glob  urlGlob
	out   *bufio.Writer
	now   time.Time
	found int
}

const cacheLsLong = `List what is kept, in the order of its names: its size, how long ago it was
fetched, how long ago it was last used, its type or status, and its URL. Of a
user's own file, which has no metadata, it says "own" and when it was changed.
When something was used is known to the day.

Several forms of one document, as for requests with credentials or for the JSON
and HTML of a registry's page, are listed each; what tells them apart follows
the URL, after a ~.

With --json there is one object on each line, with url, path (below the cache
directory), kind (file, status, note, parts), and as far as they are known
variant, status, type, size, sha256, fetched, used, own.`

func newCacheLs(io streams) *cobra.Command {
	o := &cacheLs{cacheCommand: cacheCommand{io: io}}
	c := &cobra.Command{
		Use: "ls [flags] [GLOB]", Short: "List what is kept",
		Long:    cacheLsLong + cacheSections("nothing matches GLOB, or ", "CACHEX_JSON"),
		Example: "  cachex cache ls\n  cachex cache ls '*.tgz'\n  cachex cache ls --json registry.example",
	}
	c.Flags().BoolVar(&o.json, "json", false, "print one JSON object for each")
	c.ValidArgsFunction = o.completeURL
	return o.command(c, cobra.MaximumNArgs(1), o.run)
}

func (o *cacheLs) run(args []string) (err error) {
	if len(args) > 0 {
		if o.glob, err = parseGlob(args[0], o.rules); err != nil {
			return &usageError{err: err}
		}
	}
	s, err := o.read()
	if err != nil {
		return err
	}
	defer s.Close()
	o.now, o.out = time.Now(), bufio.NewWriterSize(o.io.out, 64<<10)
	if !o.json {
		fmt.Fprintf(o.out, lsLine, "SIZE", "AGE", "USED", "TYPE", "URL")
	}
	err = s.Walk(store.Walker{Host: o.glob.Host(), ReadMeta: true, Only: o.glob.key, Visit: o.document})
	if o.found == 0 && len(args) > 0 && err == nil {
		return nothingFound(o.dir, o.glob.String())
	}
	if e := o.out.Flush(); err == nil {
		err = e
	}
	return err
}

const lsLine = "%7s %4s %4s  %-24s %s\n"

// listedForm is one answer, as --json prints it.
type listedForm struct {
	URL     string     `json:"url"`
	Path    string     `json:"path,omitempty"`
	Kind    string     `json:"kind"`
	Variant string     `json:"variant,omitempty"`
	Status  int        `json:"status,omitempty"`
	Type    string     `json:"type,omitempty"`
	Size    int64      `json:"size"`
	SHA256  string     `json:"sha256,omitempty"`
	Fetched *time.Time `json:"fetched,omitempty"`
	Used    *time.Time `json:"used,omitempty"`
	Own     bool       `json:"own,omitempty"`

	age  time.Time // since when it is what it is
	note string    // what the list says in place of a type
}

func (o *cacheLs) document(d *store.Document) error {
	for _, f := range d.Forms {
		if f.Kind == store.FormOrphan {
			continue // it is no answer
		}
		if !o.glob.form(f.Meta) {
			continue
		}
		o.found++
		if err := o.print(describeForm(d.Key, f, f.Meta)); err != nil {
			return err
		}
	}
	return nil
}

func describeForm(k store.Key, f store.Form, m *store.Meta) listedForm {
	l := listedForm{
		Path: f.Name, Variant: f.Variant, Size: f.Size, age: f.ModTime,
		Kind: [...]string{store.FormFile: "file", store.FormStatus: "status", store.FormNote: "note", store.FormParts: "parts"}[f.Kind],
	}
	scheme := "https"
	if m == nil || m.Mine || f.Kind == store.FormFile && m.Size != f.Size && !m.ModTime.Equal(f.ModTime) { // edited
		l.Own = f.Kind != store.FormParts
	} else {
		l.Fetched, l.age = &m.Received, m.Received
		l.SHA256 = m.SHA256
	}
	if m != nil {
		l.Status, l.Type = m.Status, mediaType(m.Header.Get("Content-Type"))
		if m.Plain() {
			scheme = "http"
		}
	}
	if !f.Used.IsZero() && !l.Own {
		l.Used = &f.Used
	}
	switch f.Kind {
	case store.FormFile:
		if l.Own && (m == nil || !m.Mine) { // what metadata there is is of another body
			l.Status, l.Type = 200, mediaType(store.TypeOf(k))
		}
		l.note = l.Type
	case store.FormStatus:
		fmt.Sscan(f.Status, &l.Status)
		l.note = f.Status
	case store.FormNote:
		l.note = fmt.Sprintf("%d without body", l.Status)
	case store.FormParts:
		l.note = "parts"
	}
	l.URL = shownURL(k, scheme)
	return l
}

// mediaType is a type without its parameters.
func mediaType(field string) string {
	t, _, _ := strings.Cut(field, ";")
	return strings.TrimSpace(t)
}

func (o *cacheLs) print(l listedForm) error {
	if o.json {
		b, err := json.Marshal(l)
		if err == nil {
			_, err = o.out.Write(append(b, '\n'))
		}
		return err
	}
	used := "own"
	if l.Used != nil {
		used = ago(o.now, *l.Used)
	}
	note := []rune(l.note)
	if len(note) > 24 {
		note = append(note[:23], '…')
	}
	if l.Variant != "" {
		l.URL += " ~" + l.Variant
	}
	_, err := fmt.Fprintf(o.out, lsLine, strings.ReplaceAll(humanize.Bytes(uint64(l.Size)), " ", ""), ago(o.now, l.age), used, string(note), l.URL)
	return err
}

// ago says how long ago something was, in four columns at most.
func ago(now, then time.Time) string {
	d := now.Sub(then)
	day := 24 * time.Hour
	switch {
	case then.IsZero() || then.Unix() == 0:
		return "?"
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < day:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d < 1000*day:
		return fmt.Sprintf("%dd", d/day)
	}
	return fmt.Sprintf("%dy", d/(365*day))
}
