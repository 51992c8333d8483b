package proxy

import (
	"strings"
	"testing"

	"cachex/proxy/policy"
)

// TestGitLayers: a repository that was cloned below is fetched from, pushed to and
// cloned offline through a directory on top, and nothing below changes.
func TestGitLayers(t *testing.T) {
	l := newGitLab(t, nil)
	l.restart(nil, rigOptions{mode: policy.Forever}) // so that refs are asked for again after a push alone
	l.repository("r.git")
	l.git("-c", "protocol.version=0", "clone", "-q", gitURL+"r.git", "below")
	l.stop()
	lower, before := l.dir, timesIn(t, l.dir)
	on := rigOptions{dir: t.TempDir(), lower: []string{lower}, mode: policy.Forever}
	again := func(offline bool) {
		l.stop()
		on.offline = offline
		l.start(nil, on)
	}

	again(false)
	l.git("-c", "protocol.version=0", "clone", "-q", gitURL+"r.git", "work")
	l.onlyOutcomes(Hit)
	l.git("-C", "work", "commit", "-q", "--allow-empty", "-m", "on top")
	l.git("-C", "work", "push", "-q", "origin", "main")
	l.account()
	got := l.git("-c", "protocol.version=0", "ls-remote", "--heads", gitURL+"r.git", "main")
	if want := l.at("r.git", "rev-parse", "main"); !strings.HasPrefix(got, want) {
		t.Errorf("after a push refs are %q, want %s", got, want)
	}
	l.git("-C", "below", "-c", "protocol.version=0", "fetch", "-q", "origin")
	l.sameAs("below", "origin/main", "r.git", "main")

	again(true)
	l.git("clone", "-q", gitURL+"r.git", "both")
	l.sameAs("both", "HEAD", "r.git", "main")
	if again := timesIn(t, lower); strings.Join(before, "\n") != strings.Join(again, "\n") {
		t.Errorf("the directory below has changed:\n%s\n%s", strings.Join(before, "\n"), strings.Join(again, "\n"))
	}
}
