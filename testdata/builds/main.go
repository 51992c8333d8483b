// Command builds runs real builds through cachex, cold, warm and offline, and
// prints a table.
//
//	go run ./testdata/builds [flags] [NAME...]
//
// With -lock they run with a lock instead: see lock.go. With -time ROUNDS it is
// measured how long they take, with cachex and without: see timed.go.
//
// Each NAME.sh beside this file is a build. It runs in an empty directory with
// an empty home, and leaves what it made in $OUT; the three runs must leave the
// same bytes. $FIXTURES is this directory and $ORIGIN a server of its own.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// runner has what all builds share.
type runner struct {
	cachex, fixtures, work string
	origin                 *origin
	env                    []string // more of the builds' environment
}

// result is one run of one build.
type result struct {
	build, phase string
	took         time.Duration
	err          error
	digest       string
	report       report
}

// report is what is read of cachex's JSON report.
type report struct {
	Totals    map[string]int64 `json:"totals"`
	Exchanges []exchange       `json:"exchanges"`
}

type exchange struct {
	Method, URL, Outcome, Reason, SHA256, Expected string
	Bytes                                          int64
}

// artifactMiss tells of a fetch of what was not there at all. Indexes without
// validators, such as a repository's refs, are fetched again when stale.
func (x exchange) artifactMiss() bool {
	return x.Outcome == "miss" && x.Method == "GET" && !strings.HasPrefix(x.Reason, "stale")
}

func main() {
	log.SetFlags(0)
	cachex := flag.String("cachex", "cachex", "the `PROGRAM` to test")
	together := flag.Int("together", 0, "run `N` builds at once on one cache directory, once, instead")
	locks := flag.Bool("lock", false, "run the builds with locks instead")
	rounds := flag.Int("time", 0, "measure `ROUNDS` of each build, with cachex and without, instead")
	table := flag.String("o", "", "write what -time has measured to `FILE`")
	keep := flag.Bool("keep", false, "keep the work directory")
	flag.Parse()
	failed, err := run(options{*cachex, *table, *together, *rounds, *keep, *locks, flag.Args()})
	if err != nil {
		log.Fatal("builds: ", err)
	}
	if failed {
		os.Exit(1)
	}
}

// options are the command line: see the flags.
type options struct {
	cachex, table    string
	together, rounds int
	keep, locks      bool
	names            []string
}

func run(o options) (failed bool, err error) {
	r, names := &runner{}, o.names
	if r.cachex, err = exec.LookPath(o.cachex); err != nil {
		return true, err
	}
	if r.cachex, err = filepath.Abs(r.cachex); err != nil {
		return true, err
	}
	if r.fixtures, err = filepath.Abs("testdata/builds"); err != nil {
		return true, err
	}
	if r.work, err = os.MkdirTemp("", "cachex-builds-"); err != nil {
		return true, err
	}
	if o.keep {
		log.Print("builds: work in ", r.work)
	} else {
		defer os.RemoveAll(r.work)
	}
	originDir := filepath.Join(r.work, "origin")
	if err := os.Mkdir(originDir, 0o755); err != nil {
		return true, err
	}
	if r.origin, err = startOrigin(originDir); err != nil {
		return true, err
	}
	defer r.origin.server.Close()
	if len(names) == 0 {
		scripts, _ := filepath.Glob(filepath.Join(r.fixtures, "*.sh")) // the pattern is well-formed
		for _, s := range scripts {
			names = append(names, strings.TrimSuffix(filepath.Base(s), ".sh"))
		}
	}
	if len(names) == 0 {
		return true, errors.New("no builds: run from the top of the repository")
	}
	var results []result
	switch {
	case o.rounds > 0:
		return r.timed(names, o.rounds, o.table)
	case o.locks:
		results = r.locked(names)
	case o.together > 0:
		results = r.together(names, o.together)
	default:
		results = r.phases(names)
	}
	return print(results), nil
}

// phases runs each build three times on a cache of its own.
func (r *runner) phases(names []string) []result {
	var all []result
	for _, name := range names {
		cache := filepath.Join(r.work, "cache-"+name)
		first := ""
		for _, phase := range []string{"cold", "warm", "offline"} {
			res := r.build(name, phase, cache)
			if phase == "cold" {
				first = res.digest
			}
			if res.err == nil && res.digest != first {
				res.err = errors.New("other files than in the cold run")
			}
			if res.err == nil && phase == "warm" {
				res.err = fetchedAgain(res.report)
			}
			all = append(all, res)
		}
	}
	return all
}

// fetchedAgain complains of what a warm run fetched although it was kept.
func fetchedAgain(r report) error {
	for _, x := range r.Exchanges {
		if x.artifactMiss() {
			return fmt.Errorf("fetched again: %s %s", x.Method, x.URL)
		}
	}
	return nil
}

// together runs builds side by side on one empty cache.
func (r *runner) together(names []string, n int) []result {
	all := make([]result, n)
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() {
			all[i] = r.build(names[i%len(names)], fmt.Sprintf("#%d", i+1), filepath.Join(r.work, "cache"))
		})
	}
	running.Wait()
	fetched := map[string]int{}
	for i := range all {
		for _, x := range all[i].report.Exchanges {
			if !x.artifactMiss() {
				continue
			}
			if fetched[x.URL]++; fetched[x.URL] > 1 && all[i].err == nil {
				all[i].err = fmt.Errorf("fetched twice: %s", x.URL)
			}
		}
	}
	return all
}

// build runs one build, with more flags than a run has by its phase.
func (r *runner) build(name, phase, cache string, flags ...string) result {
	res := result{build: name, phase: phase}
	dir, err := os.MkdirTemp(r.work, name+"-")
	if err != nil {
		res.err = err
		return res
	}
	defer os.RemoveAll(dir)
	for _, d := range []string{"home", "work", "out"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			res.err = err
			return res
		}
	}
	out, reportFile := filepath.Join(dir, "out"), filepath.Join(dir, "report.json")
	args := []string{"run", "--cache", cache, "--report", "none", "--report", "json=" + reportFile}
	if phase == "offline" {
		args = append(args, "--offline")
	}
	args = append(args, flags...)
	args = append(args, "--", "sh", "-ex", filepath.Join(r.fixtures, name+".sh"))
	cmd := exec.Command(r.cachex, args...)
	cmd.Dir = filepath.Join(dir, "work")
	cmd.Env = append(r.environment(filepath.Join(dir, "home"), out), r.env...)
	began := time.Now()
	text, err := cmd.CombinedOutput()
	res.took = time.Since(began)
	if b, rerr := os.ReadFile(reportFile); rerr == nil {
		err = errors.Join(err, json.Unmarshal(b, &res.report))
	}
	if err != nil {
		res.err = fmt.Errorf("%w\n%s", err, tail(text, 3000))
		return res
	}
	res.digest, res.err = digest(out)
	return res
}

// environment is a build's, with its home and the directory for what it makes.
func (r *runner) environment(home, out string) []string {
	env := append(os.Environ(), "HOME="+home, "OUT="+out, "FIXTURES="+r.fixtures, "ORIGIN="+r.origin.url, "SSL_CERT_FILE="+r.origin.bundle)
	if home, err := os.UserHomeDir(); err == nil && os.Getenv("RUSTUP_HOME") == "" {
		// The toolchain is not the build's.
		env = append(env, "RUSTUP_HOME="+filepath.Join(home, ".rustup"))
	}
	return env
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// digest is one for all names, links and bytes below a directory. It fails
// when there are none.
func digest(dir string) (string, error) {
	h, n := sha256.New(), 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		name := strings.TrimPrefix(path, dir)
		if d.Type() == fs.ModeSymlink {
			target, err := os.Readlink(path)
			fmt.Fprintf(h, "%s -> %s\n", name, target)
			return err
		}
		b, err := os.ReadFile(path)
		fmt.Fprintf(h, "%s %x\n", name, sha256.Sum256(b))
		return err
	})
	if err == nil && n == 0 {
		err = errors.New("the build left nothing")
	}
	return fmt.Sprintf("%x", h.Sum(nil)), err
}

// print writes the table and what failed, and tells whether anything did.
func print(results []result) (failed bool) {
	counts := []string{"requests", "hit", "revalidated", "stale", "miss", "pass", "tunnel", "refused", "error"}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "build\trun\tseconds\t%s\tkB cache\tkB network\t\t\n", strings.Join(counts, "\t"))
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%s\t%.1f\t", r.build, r.phase, r.took.Seconds())
		for _, c := range counts {
			fmt.Fprintf(w, "%d\t", r.report.Totals[c])
		}
		word := "ok"
		if r.err != nil {
			word, failed = "FAILED", true
		}
		fmt.Fprintf(w, "%d\t%d\t%s\t\n", r.report.Totals["bytes_cache"]/1000, r.report.Totals["bytes_network"]/1000, word)
	}
	w.Flush()
	for _, r := range results {
		if r.err != nil {
			fmt.Printf("\n%s %s: %v\n", r.build, r.phase, r.err)
		}
		for _, x := range r.report.Exchanges {
			if slices.Contains([]string{"refused", "error"}, x.Outcome) {
				fmt.Printf("%s %s: %s: %s %s: %s\n", r.build, r.phase, x.Outcome, x.Method, x.URL, x.Reason)
			}
		}
	}
	return failed
}
