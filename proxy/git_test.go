package proxy

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGitOfflineAfterClone: whoever has cloned all may ask for any part of it.
func TestGitOfflineAfterClone(t *testing.T) {
	for version, then := range map[string][]string{"2": {"0", "2"}, "0": {"0", "2"}, "1": {"1"}} {
		t.Run("cloned with protocol "+version, func(t *testing.T) {
			t.Parallel()
			l := newGitLab(t, nil)
			l.repository("r.git")
			l.git("-c", "protocol.version="+version, "clone", "-q", gitURL+"r.git", "cold")
			l.onlyOutcomes(Miss)
			l.restart(nil, rigOptions{})
			l.git("-c", "protocol.version="+version, "clone", "-q", gitURL+"r.git", "warm")
			if said := l.account(); !strings.Contains(said, "git-upload-pack hit") {
				t.Errorf("warm:\n%s", said)
			}
			l.offline()
			for _, asks := range then {
				t.Run("asked with protocol "+asks, func(t *testing.T) { l.cloneOffline(t, "-c", "protocol.version="+asks) })
			}
		})
	}
}

func (l *gitLab) cloneOffline(t *testing.T, options ...string) {
	sub := *l
	sub.t, sub.work = t, t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		return sub.git(append(append([]string(nil), options...), args...)...)
	}
	const u = gitURL + "r.git"
	run("clone", "-q", u, "same")
	sub.sameAs("same", "HEAD", "r.git", "main")
	if got := sub.git("-C", "same", "symbolic-ref", "HEAD"); got != "refs/heads/main" {
		t.Errorf("HEAD is %s", got)
	}
	run("clone", "-q", "-b", "other", u, "other")
	sub.sameAs("other", "HEAD", "r.git", "other")
	run("clone", "-q", "-b", "v1", u, "tag")
	sub.sameAs("tag", "HEAD", "r.git", "v1^{}")
	run("clone", "-q", "--single-branch", u, "single")
	sub.sameAs("single", "HEAD", "r.git", "main")
	if got := sub.git("-C", "single", "tag"); got != "light\nv1" {
		t.Errorf("tags that came along: %q", got)
	}
	run("clone", "-q", "--depth", "1", u, "shallow")
	sub.sameAs("shallow", "HEAD", "r.git", "main")
	if got := sub.git("-C", "shallow", "rev-list", "--count", "HEAD"); got != "1" {
		t.Errorf("a shallow clone of %s commits", got)
	}
	run("-C", "shallow", "fetch", "-q", "--deepen", "2")
	if got := sub.git("-C", "shallow", "rev-list", "--count", "HEAD"); got != "3" {
		t.Errorf("%s commits after deepening", got)
	}
	run("-C", "shallow", "fetch", "-q", "--unshallow")
	if got := sub.git("-C", "shallow", "rev-list", "--count", "HEAD"); got != "5" {
		t.Errorf("%s commits after unshallowing", got)
	}
	run("clone", "-q", "--mirror", u, "mirror")
	sub.sameAs("mirror", "refs/heads/other", "r.git", "other")
	run("clone", "-q", "--filter=blob:none", u, "partial")
	sub.sameAs("partial", "HEAD", "r.git", "main")
	run("-C", "partial", "checkout", "-q", "v1")
	run("init", "-q", "sha")
	sha := sub.at("r.git", "rev-parse", "main~2")
	run("-C", "sha", "fetch", "-q", "--depth", "1", u, sha)
	sub.sameAs("sha", "FETCH_HEAD", "r.git", "main~2")
	run("-C", "sha", "fetch", "-q", u, "other")
	sub.sameAs("sha", "FETCH_HEAD", "r.git", "other")
	heads := run("ls-remote", "--heads", u)
	if want := sub.at("r.git", "ls-remote", "--heads", "."); heads != want {
		t.Errorf("branches %q, want %q", heads, want)
	}
	run("ls-remote", u)
	sub.refused(append(append([]string(nil), options...), "-C", "sha", "fetch", "-q", u, strings.Repeat("12", 20))...)
	if strings.Contains(sub.account(), string(Error)) {
		t.Errorf("%s", sub.account())
	}
}

// TestGitOfflineAfterPart: what was fetched in part is never passed off as whole.
func TestGitOfflineAfterPart(t *testing.T) {
	l := newGitLab(t, nil)
	l.repository("shallow.git")
	l.repository("filtered.git")
	l.repository("single.git")
	l.git("clone", "-q", "--depth", "1", gitURL+"shallow.git", "cold")
	l.git("clone", "-q", "--no-checkout", "--filter=blob:none", gitURL+"filtered.git", "cold-filtered")
	l.git("clone", "-q", "--single-branch", "--no-tags", gitURL+"single.git", "cold-single")
	l.offline()
	l.git("clone", "-q", "--depth", "1", gitURL+"shallow.git", "again")
	l.sameAs("again", "HEAD", "shallow.git", "main")
	l.git("init", "-q", "tip")
	l.git("-C", "tip", "fetch", "-q", "--depth", "1", gitURL+"shallow.git", l.at("shallow.git", "rev-parse", "main"))
	l.refused("clone", "-q", gitURL+"shallow.git", "whole")
	l.refused("clone", "-q", "--depth", "2", gitURL+"shallow.git", "deeper")
	l.refused("clone", "-q", "--depth", "1", "-b", "other", gitURL+"shallow.git", "other")
	l.refused("-C", "again", "fetch", "-q", "--unshallow")
	l.refused("-c", "protocol.version=0", "clone", "-q", gitURL+"shallow.git", "whole-0")
	l.git("ls-remote", "--heads", gitURL+"shallow.git")

	l.git("clone", "-q", "--no-checkout", "--filter=blob:none", "--single-branch", gitURL+"filtered.git", "filtered")
	l.refused("-C", "filtered", "checkout", "-q", "main")
	l.refused("clone", "-q", gitURL+"filtered.git", "unfiltered")

	l.git("clone", "-q", "--single-branch", "--no-tags", gitURL+"single.git", "single")
	l.refused("clone", "-q", gitURL+"single.git", "all")
	l.refused("ls-remote", gitURL+"single.git", "refs/pull/*")
	l.refused("ls-remote", gitURL+"unknown.git")
}

// TestGitGenerations: what is offered offline is the newest state that was
// fetched from, however the next one asks.
func TestGitGenerations(t *testing.T) {
	l := newGitLab(t, nil)
	l.repository("r.git")
	l.git("clone", "-q", gitURL+"r.git", "work")
	first := l.at("r.git", "rev-parse", "main")
	second := l.commit("r.git", "main", "8")
	l.git("-C", "work", "pull", "-q")
	l.restart(nil, rigOptions{})
	l.commit("r.git", "main", "9")
	l.git("ls-remote", "--heads", "--tags", gitURL+"r.git") // nobody fetches what this one lists

	l.offline()
	l.refused("-C", "work", "fetch", "-q", "origin", "pull/1/head") // of a kind that nobody has asked for
	l.git("clone", "-q", gitURL+"r.git", "fresh")
	if got := l.git("-C", "fresh", "rev-parse", "HEAD"); got != second {
		t.Errorf("offline main is %s, want the newest fetched, %s (the first was %s)", got, second, first)
	}
	// Another one with an older clone, and other commits of its own.
	l.git("clone", "-q", "--depth", "3", gitURL+"r.git", "old")
	l.git("-C", "old", "reset", "-q", "--hard", "HEAD~2")
	l.git("-C", "old", "commit", "-q", "--allow-empty", "-m", "own")
	l.git("-C", "old", "fetch", "-q", "origin", "main")
	l.sameAs("old", "FETCH_HEAD", "r.git", "main~1")
	l.onlyOutcomes(Hit)
}

// TestGitUpstreamFails: the mirror stands in online as well.
func TestGitUpstreamFails(t *testing.T) {
	l := newGitLab(t, nil)
	l.repository("r.git")
	l.git("clone", "-q", gitURL+"r.git", "cold")
	for name, origin := range map[string]http.HandlerFunc{
		"503":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"lost": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		l.restart(func(http.Handler) http.Handler { return origin }, rigOptions{})
		l.git("clone", "-q", "--depth", "2", "-b", "other", gitURL+"r.git", name)
		l.sameAs(name, "HEAD", "r.git", "other")
		l.onlyOutcomes(Stale)
		l.git("-c", "protocol.version=0", "clone", "-q", gitURL+"r.git", name+"-0")
		l.onlyOutcomes(Stale)
		if out, err := l.try("clone", "-q", gitURL+"unknown.git", "unknown"); err == nil {
			t.Errorf("cloned what nobody has: %s", out)
		}
		l.account()
	}
}

// TestGitMirrorComesLater: a mirror that a killed run has not filled, or that a
// cache from before mirrors lacks, is filled when its answers are served again.
func TestGitMirrorComesLater(t *testing.T) {
	l := newGitLab(t, nil)
	l.repository("r.git", "--object-format=sha256")
	l.git("clone", "-q", gitURL+"r.git", "cold")
	l.stop()
	if err := os.RemoveAll(filepath.Join(l.dir, mirrorDir)); err != nil {
		t.Fatal(err)
	}
	l.offline()
	l.git("clone", "-q", gitURL+"r.git", "same")
	l.refused("clone", "-q", "-b", "other", gitURL+"r.git", "too-early")
	l.restart(nil, rigOptions{})
	l.git("clone", "-q", gitURL+"r.git", "warm")
	l.offline()
	l.git("clone", "-q", "-b", "other", gitURL+"r.git", "other")
	l.sameAs("other", "HEAD", "r.git", "other")
	l.git("clone", "-q", "--depth", "1", gitURL+"r.git", "shallow")
	l.onlyOutcomes(Hit)
}

// TestGitWithoutGit: the kept answers alone serve who asks the same.
func TestGitWithoutGit(t *testing.T) {
	l := newGitLab(t, nil)
	l.restart(nil, rigOptions{git: "cachex-no-such-git"})
	l.repository("r.git")
	l.git("clone", "-q", gitURL+"r.git", "cold")
	l.restart(nil, rigOptions{offline: true, git: "cachex-no-such-git"})
	l.git("clone", "-q", gitURL+"r.git", "same")
	l.refused("clone", "-q", "--depth", "1", gitURL+"r.git", "shallow")
	if _, err := os.Stat(filepath.Join(l.dir, mirrorDir)); err == nil {
		t.Error("a mirror without use was made")
	}
}
