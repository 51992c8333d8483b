//go:build linux

// Command bench measures cachex beside what people would use instead, in one run:
// an nginx origin without a proxy (the limit), cachex, Squid with ssl_bump, and
// mitmproxy with a small script that answers from files.
//
//	go build -o cachex ./cmd/cachex && go run ./testdata/bench -cachex ./cachex
//
// It needs Linux, root (Squid changes its user), and Debian's nginx-light,
// squid-openssl and mitmproxy; a peer that is not there is left out, and said so. All
// runs in namespaces of its own, with nothing but loopback in them: nothing leaves the
// machine, and nothing stays behind.
//
// Round after round each load is put on each contender in turn, and a figure is the
// median of the rounds. Machines differ and are noisy: the ratios of one run are what
// counts. Nothing here fails because of a figure.
//
// To add a load, add an entry to loads.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	cachex, json, out, svg, merge string
	loads, contenders             *regexp.Regexp
	rounds                        int
	seconds                       float64
	entries                       int
	soak                          time.Duration
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	if len(os.Args) > 1 && os.Args[1] == "client" {
		if err := runClient(os.Args[2:]); err != nil {
			log.Fatal(err)
		}
		return
	}
	o, err := parse(os.Args[1:])
	if err != nil {
		log.Print(err)
		os.Exit(2)
	}
	// Within the namespaces this program is called a second time, with a directory
	// that the first one removes.
	if dir := os.Getenv(insideDir); dir != "" {
		err = o.run(dir)
	} else {
		err = enter()
	}
	if err != nil {
		log.Fatal(err)
	}
}

func parse(args []string) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.StringVar(&o.cachex, "cachex", "./cachex", "the `PROGRAM` to measure")
	flags.StringVar(&o.json, "json", "", "write every figure of every round to `FILE`")
	flags.StringVar(&o.out, "o", "", "write the tables, in Markdown, to `FILE`")
	flags.StringVar(&o.svg, "svg", "", "write a picture to `FILE`")
	flags.StringVar(&o.merge, "merge", "", "show what this run does not measure as `FILE` has it, an earlier run's -json")
	loads := flags.String("run", "", "only the loads whose names match `REGEXP`")
	contenders := flags.String("contenders", "", "only the contenders whose names match `REGEXP`")
	flags.IntVar(&o.rounds, "rounds", 5, "measure everything `N` times")
	flags.Float64Var(&o.seconds, "seconds", 3, "how many `SECONDS` a load lasts, where it has no end of its own")
	flags.IntVar(&o.entries, "entries", 100_000, "how many `ENTRIES` the large cache has")
	flags.DurationVar(&o.soak, "soak", 0, "a mixed load of this `DURATION` as well, with the memory that it takes")
	quick := flags.Bool("quick", false, "one round of one second, to see that all works")
	flags.Parse(args) // it ends the program itself
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	if *quick {
		o.rounds, o.seconds, o.entries = 1, 1, min(o.entries, 10_000)
	}
	if o.rounds < 1 || o.seconds <= 0 || o.entries <= smallCache {
		return nil, errors.New("-rounds is at least 1, -seconds more than 0, -entries more than 1000")
	}
	var errs [2]error
	o.loads, errs[0] = regexp.Compile(*loads)
	o.contenders, errs[1] = regexp.Compile(*contenders)
	return o, errors.Join(errs[:]...)
}

// run measures, within the namespaces, with its files in dir.
func (o *options) run(dir string) error {
	all := allLoads(o)
	wanted := slices.DeleteFunc(slices.Clone(all), func(l load) bool { return !o.loads.MatchString(l.name) })
	if len(wanted) == 0 && o.soak == 0 && o.merge == "" {
		return errors.New("no load has such a name")
	}
	if len(wanted) == 0 && o.soak == 0 {
		r := &results{}
		if err := r.merge(o.merge); err != nil {
			return fmt.Errorf("merge: %w", err)
		}
		return o.write(r, all)
	}
	s, err := newStage(dir, o.cachex)
	if err != nil {
		return err
	}
	defer s.close()
	contenders, missing := s.contenders(o.contenders)
	defer func() {
		for _, c := range contenders {
			c.close()
		}
	}()
	for _, m := range missing {
		log.Print("left out: ", m)
	}
	r := &results{Machine: describe(s, contenders), Missing: missing, Rounds: o.rounds, Seconds: o.seconds, Began: time.Now().UTC().Truncate(time.Second)}
	r.measure(s, wanted, contenders, o.rounds)
	if o.soak > 0 {
		if r.Soak, err = s.soak(o.soak); err != nil {
			return fmt.Errorf("soak: %w", err)
		}
	}
	r.Machine.LoadAfter = loadAverage()
	if o.merge != "" {
		if err := r.merge(o.merge); err != nil {
			return fmt.Errorf("merge: %w", err)
		}
	}
	return o.write(r, all)
}

// write gives the results in each form that was asked for.
func (o *options) write(r *results, loads []load) error {
	t := newTable(r, loads)
	text := t.markdown()
	fmt.Print(strings.TrimSuffix(strings.TrimPrefix(text, preface), afterword))
	for _, f := range []struct {
		name string
		make func() ([]byte, error)
	}{
		{o.out, func() ([]byte, error) { return []byte(text), nil }},
		{o.json, r.encode},
		{o.svg, func() ([]byte, error) { return t.svg(), nil }},
	} {
		if f.name == "" {
			continue
		}
		b, err := f.make()
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(f.name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(f.name, b, 0o644); err != nil {
			return err
		}
	}
	return nil
}
