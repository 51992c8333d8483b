package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// locked runs each build with a lock:
//
//	cold      on an empty cache, recording
//	again     recording to another file, which must be the same
//	frozen    and frozen offline, which must fetch nothing that is named
//	filled    frozen offline on a cache that "cachex cache fill" has made
//	poisoned  frozen offline, with one file of the cache edited: it must be refused
//
// A build that asks git questions cannot be filled. $LOCKED is set: the text of an
// error is not what a lock is about.
func (r *runner) locked(names []string) []result {
	r.env = []string{"LOCKED=1"}
	var all []result
	for _, name := range names {
		cache, file := filepath.Join(r.work, "cache-"+name), filepath.Join(r.work, name+".lock")
		cold := r.build(name, "cold", cache, "--lock", file)
		all = append(all, cold)
		if cold.err != nil {
			continue
		}
		again := r.build(name, "again", cache, "--lock", file+".again")
		again.same(cold)
		if again.err == nil {
			again.err = sameFiles(file, file+".again")
		}
		frozen := r.build(name, "frozen", cache, "--lock", file, "--frozen", "--fail-on-miss")
		frozen.same(cold)
		offline := r.build(name, "offline", cache, "--lock", file, "--frozen", "--fail-on-miss", "--offline")
		offline.same(cold)
		all = append(all, again, frozen, offline)
		if text, err := os.ReadFile(file); err == nil && !bytes.Contains(text, []byte("post-")) {
			filled := r.filled(name, file)
			filled.same(cold)
			all = append(all, filled)
		}
		all = append(all, r.poisoned(name, cache, file, cold.report))
	}
	return all
}

// same complains of a run that left something else.
func (res *result) same(cold result) {
	if res.err == nil && res.digest != cold.digest {
		res.err = errors.New("other files than in the cold run")
	}
}

func sameFiles(a, b string) error {
	x, err1 := os.ReadFile(a)
	y, err2 := os.ReadFile(b)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if bytes.Equal(x, y) {
		return nil
	}
	diff, _ := exec.Command("diff", a, b).Output() // which fails when there is one
	return fmt.Errorf("another lock:\n%s", tail(diff, 3000))
}

func (r *runner) filled(name, file string) result {
	cache := filepath.Join(r.work, "filled-"+name)
	cmd := exec.Command(r.cachex, "cache", "fill", "--cache", cache, file)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+r.origin.bundle)
	text, err := cmd.CombinedOutput()
	if err != nil {
		return result{build: name, phase: "filled", err: fmt.Errorf("%w\n%s", err, tail(text, 3000))}
	}
	return r.build(name, "filled", cache, "--lock", file, "--frozen", "--fail-on-miss", "--offline")
}

// poisoned edits the largest file that the cold run has fetched, and every copy.
func (r *runner) poisoned(name, cache, file string, cold report) result {
	res := result{build: name, phase: "poisoned"}
	largest := slices.MaxFunc(cold.Exchanges, func(a, b exchange) int { return int(min(max(a.Bytes-b.Bytes, -1), 1)) })
	out, err := exec.Command(r.cachex, "cache", "ls", "--cache", cache, "--json", largest.URL).Output()
	if err != nil {
		res.err = fmt.Errorf("list %s: %w", largest.URL, err)
		return res
	}
	edited := 0
	for forms := json.NewDecoder(bytes.NewReader(out)); ; {
		var kept struct{ Path, SHA256 string }
		if err := forms.Decode(&kept); errors.Is(err, io.EOF) && edited > 0 {
			break
		} else if err != nil {
			res.err = fmt.Errorf("no file of %s with the digest %s: %w", largest.URL, largest.SHA256, err)
			return res
		}
		if kept.SHA256 != largest.SHA256 {
			continue
		}
		if res.err = edit(filepath.Join(cache, filepath.FromSlash(kept.Path))); res.err != nil {
			return res
		}
		edited++
	}
	res = r.build(name, "poisoned", cache, "--lock", file, "--frozen", "--offline")
	refused := slices.ContainsFunc(res.report.Exchanges, func(x exchange) bool {
		return x.URL == largest.URL && x.Outcome == "refused" && x.Expected == largest.SHA256 && x.SHA256 != x.Expected
	})
	switch {
	case refused:
		res.err = nil // the build may go on without, or not
	case res.err == nil:
		res.err = fmt.Errorf("%s was not refused", largest.URL)
	}
	return res
}

// edit changes a file in its middle.
func edit(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err == nil {
		_, err = f.WriteAt([]byte("poison"), 1000)
		err = errors.Join(err, f.Close())
	}
	return err
}
