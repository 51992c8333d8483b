package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/net/http/httpguts"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// cachePut is "cachex cache put".
type cachePut struct {
	cacheCommand
	header []string
	status int
}

const cachePutLong = `Put a FILE, or with - what standard input has, where URL's answer is. From then
on it is served for that URL, offline as well, and nobody is asked for it,
whatever the policy, until it is removed. Without --header and --status that is
what cp to the path of "cachex cache path URL" does, but never half.

With --header it is served with these fields instead of a type guessed from its
name; with --status with another status than 200. An error or a redirect needs
no FILE. Fields that hold secrets (Set-Cookie) or are about a connection are
refused.`

func newCachePut(io streams) *cobra.Command {
	o := &cachePut{cacheCommand: cacheCommand{io: io}}
	c := &cobra.Command{
		Use: "put [flags] URL [FILE|-]", Short: "Put a file where a URL's answer is",
		Long: cachePutLong + cacheSections("", "CACHEX_HEADER", "CACHEX_STATUS"),
		Example: `  cachex cache put https://registry.example/own-1.0.0.tgz ./own.tgz
  echo '{}' | cachex cache put https://registry.example/own.json -
  cachex cache put --status 404 https://registry.example/old-1.0.0.tgz
  cachex cache put --header 'X-Mine: yes' https://registry.example/x -`,
	}
	c.Flags().StringArrayVar(&o.header, "header", nil, "`'NAME: VALUE'`, a field of the answer (repeatable)")
	c.Flags().IntVar(&o.status, "status", http.StatusOK, "status `CODE` of the answer, from 200 to 599")
	return o.command(c, cobra.RangeArgs(1, 2), o.run)
}

func (o *cachePut) run(args []string) error {
	u, k, err := parseURL(args[0], o.rules)
	if err != nil {
		return &usageError{err: err}
	}
	m, err := o.meta(u.String())
	if err == nil && len(args) < 2 && m.HasFile() {
		err = errors.New("a FILE is needed, or - for standard input; an error needs none: --status 404")
	}
	if err != nil {
		return &usageError{err: err}
	}
	var in io.Reader = strings.NewReader("")
	if len(args) == 2 && args[1] == "-" {
		in = o.io.in
	} else if len(args) == 2 {
		f, err := os.Open(args[1])
		if err == nil {
			defer f.Close()
			if fi, serr := f.Stat(); serr == nil && fi.IsDir() {
				err = fmt.Errorf("%s is a directory", args[1])
			}
		}
		if err != nil {
			return &exitError{err, exitFailure, ""}
		}
		in = f
	}
	s, err := o.create()
	if err != nil {
		return err
	}
	defer s.Close()
	if !m.HasFile() {
		return putStatus(s, k, m, in, len(args) == 2)
	}
	return o.putFile(s, k, m, in)
}

// meta is that of the answer, as far as the flags tell.
func (o *cachePut) meta(url string) (*store.Meta, error) {
	if o.status < 200 || o.status > 599 {
		return nil, fmt.Errorf("--status %d: it is a number from 200 to 599", o.status)
	}
	h := http.Header{}
	for _, field := range o.header {
		name, value, ok := strings.Cut(field, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value):
			return nil, errors.New("--header: a field is 'NAME: VALUE'")
		case strings.EqualFold(name, "Content-Length"), strings.EqualFold(name, "Content-Encoding"), len(policy.KeptHeader(http.Header{http.CanonicalHeaderKey(name): {value}})) == 0:
			return nil, fmt.Errorf("--header: %s is not kept: it is a secret, or about the connection or the bytes on their way", http.CanonicalHeaderKey(name))
		}
		h.Add(name, value)
	}
	now := time.Now()
	return &store.Meta{URL: url, Status: o.status, Header: policy.KeptHeader(h), Mine: true, Requested: now, Received: now}, nil
}

func (o *cachePut) putFile(s *store.Store, k store.Key, m *store.Meta, in io.Reader) error {
	w, err := s.Create()
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := io.Copy(w, in); err != nil {
		return fmt.Errorf("keep %s: %w", shownURL(k, "https"), err)
	}
	if len(o.header) == 0 && o.status == http.StatusOK {
		return w.CommitOwn(k)
	}
	if m.Header.Get("Content-Type") == "" {
		m.Header.Set("Content-Type", store.TypeOf(k))
	}
	if m.Header.Get("Etag") == "" {
		m.Header.Set("Etag", `"`+w.SHA256()+`"`)
	}
	return w.Commit(k, "", m)
}

// putStatus keeps an error or a redirect, with a text if there is one.
func putStatus(s *store.Store, k store.Key, m *store.Meta, text io.Reader, given bool) error {
	b, err := io.ReadAll(io.LimitReader(text, store.MaxStatusBody+1))
	switch {
	case err != nil:
		return err
	case len(b) > store.MaxStatusBody:
		return &exitError{fmt.Errorf("the text of an error is kept up to %d bytes", store.MaxStatusBody), exitFailure, ""}
	case !given && len(m.Header) == 0:
		return s.PutOwnStatus(k, m.Status)
	}
	m.Body = b
	return s.PutStatus(k, "", m)
}
