package proxy

import (
	"context"
	"strings"
	"sync"
	"time"

	"cachex/proxy/mirror"
	"cachex/proxy/store"
)

// gitFeed fills mirrors with what kept answers hold, one answer at a time,
// after they were delivered. What a process that ends early leaves undone is
// done when the same answer is served again.
type gitFeed struct {
	mirrors mirror.Mirrors

	mu      sync.Mutex
	jobs    []gitJob
	busy    bool
	running sync.WaitGroup
	cancel  context.CancelFunc
}

// gitJob is a kept answer that a mirror may learn from.
type gitJob struct {
	repo    *mirror.Repository
	asked   mirror.Question // no Command for an advertisement
	key     store.Key
	variant string
}

const (
	// maxGitJobs bounds the queue. A job is some kilobytes, and a build with
	// more fetches than that is mostly lazy ones of a partial clone.
	maxGitJobs = 1000

	// feedPatience is how long the end of a run waits for mirrors to be filled.
	// 200 MB of large files took git 1.4 seconds; source code takes longer, and
	// the build's own git had to do the same.
	feedPatience = time.Minute
)

// feedMirror has a mirror learn from the answer that a request just got.
func (p *Proxy) feedMirror(q *query, repo *mirror.Repository, asked mirror.Question) {
	switch q.x.ex.Outcome {
	case Miss, Hit, Revalidated:
	default:
		return
	}
	if p.Offline || p.Store.ReadOnly() || repo == nil {
		return
	}
	e, variant, err := p.find(q)
	if err != nil {
		return
	}
	e.Close()
	p.git.add(p, gitJob{repo, asked, q.key, variant})
}

func (g *gitFeed) add(p *Proxy, j gitJob) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.jobs) >= maxGitJobs {
		p.Log.Debug("git mirror: too much to learn at once")
		return
	}
	g.jobs = append(g.jobs, j)
	if g.busy {
		return
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.serving))
	g.busy, g.cancel = true, cancel
	g.running.Go(func() {
		defer cancel()
		g.work(ctx, p)
	})
}

func (g *gitFeed) work(ctx context.Context, p *Proxy) {
	for {
		g.mu.Lock()
		if len(g.jobs) == 0 || ctx.Err() != nil {
			g.jobs, g.busy = nil, false
			g.mu.Unlock()
			return
		}
		j := g.jobs[0]
		g.jobs = g.jobs[1:]
		g.mu.Unlock()
		if err := j.do(ctx, p.Store); err != nil {
			p.Log.Debug("git mirror", "err", err)
		}
	}
}

func (j *gitJob) do(ctx context.Context, s *store.Store) error {
	e, err := s.Get(j.key, j.variant)
	if err != nil {
		return err
	}
	defer e.Close()
	if e.Own || e.File == nil {
		return nil
	}
	var v mirror.View
	switch {
	case j.asked.Command == "fetch":
		return j.repo.Feed(ctx, j.asked, e.File, e.SHA256)
	case j.asked.Command == "ls-refs":
		v, err = mirror.ParseLsRefs(j.asked, e.File)
	case j.asked.Version != 2 && strings.HasPrefix(e.Header.Get("Content-Type"), "application/x-git-upload-pack-advertisement"):
		v, err = mirror.ParseAdvertisement(e.File)
	default:
		return nil // of a server that has files alone, or says what it can do
	}
	if err != nil {
		return err
	}
	v.Time = e.Received
	return j.repo.Record(v)
}

// stop waits until all is done, or for as long as a user would, and for the
// processes that were begun in any case. All requests have ended before it.
func (g *gitFeed) stop() error {
	t := time.AfterFunc(feedPatience, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.cancel != nil {
			g.cancel()
		}
	})
	defer t.Stop()
	g.running.Wait()
	return g.mirrors.Close()
}
