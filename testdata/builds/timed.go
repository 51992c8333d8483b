package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A timed phase is a build with cachex or without, whose client has a cache of its own
// that is empty or has all.
type timedPhase struct {
	name string
	// cachex is "" without it, else "online" or "offline".
	cachex string
	// ownCache is kept from the phase of that name, "" is an empty one.
	ownCache string
	// against is the phase that it should be no slower than, if any.
	against string
}

func timedPhases() []timedPhase {
	const alone, both = "alone", "cachex cold"
	return []timedPhase{
		{name: alone},
		{name: "alone, own cache", ownCache: alone},
		{name: both, cachex: "online"},
		{name: "cachex warm", cachex: "online", against: alone},
		{name: "cachex offline", cachex: "offline", against: alone},
		{name: "cachex warm, own cache", cachex: "online", ownCache: both, against: "alone, own cache"},
	}
}

// timing is what one phase of a build took, round by round.
type timing struct {
	build string
	timedPhase
	seconds []float64
	// buildCPU and cachexCPU are seconds of processor time; cachexCPU is all of the
	// run's that is not the build's.
	buildCPU, cachexCPU []float64
	err                 error
}

// timed runs each build in all phases, so many times, and writes a table to a file as
// well when it has a name. $TIMED has the scripts leave what the client keeps where it
// is.
func (r *runner) timed(names []string, rounds int, file string) (failed bool, err error) {
	var all []*timing
	for _, name := range names {
		var phases []*timing
		for _, p := range timedPhases() {
			phases = append(phases, &timing{build: name, timedPhase: p})
		}
		for round := range rounds {
			dir := filepath.Join(r.work, fmt.Sprintf("timed-%s-%d", name, round))
			for _, t := range phases {
				if t.err == nil {
					t.err = r.time(t, dir)
				}
				failed = failed || t.err != nil
			}
			if err := removeAll(dir); err != nil {
				return true, err
			}
		}
		all = append(all, phases...)
	}
	text := timedTable(all, rounds)
	fmt.Print(text)
	for _, t := range all {
		if t.err != nil {
			fmt.Printf("\n%s, %s: %v\n", t.build, t.name, t.err)
		}
	}
	if file != "" {
		err = os.WriteFile(file, []byte(timedPreface+text), 0o644)
	}
	return failed, err
}

// timedPreface comes before the table in a file.
const timedPreface = `# Times of real builds

Made by "make times": each build without cachex and with it, its client's own cache empty and
full, one after the other, on the machine and over the network that were there. Networks and
registries differ; what is compared is in the column "against". Indexes whose answers have
neither a lifetime nor a validator are fetched anew by a warm build, as they are without cachex:
that is most of what cachex does where a warm build takes it more than an offline one.

`

// time runs one phase in a directory of the round's.
func (r *runner) time(t *timing, dir string) error {
	// Some clients want no spaces in paths.
	plain := strings.NewReplacer(" ", "-", ",", "")
	home := filepath.Join(dir, "home-of-"+plain.Replace(cmp.Or(t.ownCache, t.name)))
	work, times := filepath.Join(dir, plain.Replace(t.name)), filepath.Join(dir, "times")
	for _, d := range []string{home, work, work + "-out"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	// The shell says what its children took, as a run's own share is the rest.
	args := []string{"sh", "-c", `sh -e "$0"; s=$?; times > "$1"; exit $s`, filepath.Join(r.fixtures, t.build+".sh"), times}
	if t.cachex != "" {
		flags := []string{r.cachex, "run", "--cache", filepath.Join(dir, "cache"), "--report", "none"}
		if t.cachex == "offline" {
			flags = append(flags, "--offline")
		}
		args = append(append(flags, "--"), args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = work
	cmd.Env = append(r.environment(home, work+"-out"), "TIMED=1")
	began := time.Now()
	text, err := cmd.CombinedOutput()
	took := time.Since(began).Seconds()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, tail(text, 3000))
	}
	said, err := os.ReadFile(times)
	if err != nil {
		return err
	}
	build, err := shellTimes(string(said))
	if err != nil {
		return err
	}
	all := (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	t.seconds, t.buildCPU = append(t.seconds, took), append(t.buildCPU, build)
	if t.cachex != "" {
		t.cachexCPU = append(t.cachexCPU, max(all-build, 0))
	}
	return nil
}

// shellTimes adds up what "times" prints: minutes and seconds, of the shell and of its
// children, each in user and in system mode.
func shellTimes(text string) (float64, error) {
	fields := strings.Fields(text)
	if len(fields) != 4 {
		return 0, fmt.Errorf("times: %q", text)
	}
	sum := 0.0
	for _, f := range fields {
		minutes, seconds, _ := strings.Cut(strings.TrimSuffix(f, "s"), "m")
		m, err1 := strconv.ParseFloat(minutes, 64)
		s, err2 := strconv.ParseFloat(seconds, 64)
		if err := errors.Join(err1, err2); err != nil {
			return 0, fmt.Errorf("times: %w", err)
		}
		sum += m*60 + s
	}
	return sum, nil
}

// removeAll removes a directory of which clients have made parts read-only.
func removeAll(dir string) error {
	exec.Command("chmod", "-R", "u+w", dir).Run() // RemoveAll says what it could not
	return os.RemoveAll(dir)
}

// timedTable has a line for each phase. What should be no slower than another says
// how it stands to it.
func timedTable(all []*timing, rounds int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Medians of %d rounds, ± half of the way from the least to the most. \"own cache\" is the client's own, with all that the build needs; without those words it is empty.\n\n", rounds)
	fmt.Fprint(&b, "| build | phase | seconds | against | processor time of the build, s | of cachex, s | cachex / build |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |\n")
	for _, t := range all {
		if t.err != nil || len(t.seconds) == 0 {
			fmt.Fprintf(&b, "| %s | %s | failed | | | | |\n", t.build, t.name)
			continue
		}
		against, own, share := "", "", ""
		if i := slices.IndexFunc(all, func(o *timing) bool { return o.build == t.build && o.name == t.against }); i >= 0 && len(all[i].seconds) > 0 {
			against = fmt.Sprintf("%.2f × %s", middle(t.seconds)/middle(all[i].seconds), all[i].name)
		}
		if len(t.cachexCPU) > 0 {
			own, share = fmt.Sprintf("%.2f", middle(t.cachexCPU)), fmt.Sprintf("%.1f %%", 100*middle(t.cachexCPU)/middle(t.buildCPU))
		}
		fmt.Fprintf(&b, "| %s | %s | %.1f ±%.0f %% | %s | %.1f | %s | %s |\n", t.build, t.name,
			middle(t.seconds), 50*(slices.Max(t.seconds)-slices.Min(t.seconds))/middle(t.seconds), against, middle(t.buildCPU), own, share)
	}
	return b.String()
}

// middle is the median, of one figure or more.
func middle(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
