package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"cachex/proxy/mirror"
	"cachex/proxy/store"
)

// git over HTTP (gitprotocol-http(5)). Answers are kept as files, as all are,
// and a question that was asked before has its answer. What they hold goes into
// a mirror as well (gitfeed.go), which answers what nobody asked before, when
// upstream can't. Offline the mirror is asked for refs first, so that these and
// what is fetched are of one time.

const (
	infoRefs    = "/info/refs"
	uploadPack  = "/git-upload-pack"
	receivePack = "/git-receive-pack"
)

// mirrorDir is below the store's directory.
const mirrorDir = ".cachex/git"

// serveGit answers a request of git's protocol, and tells whether it was one.
func (p *Proxy) serveGit(w http.ResponseWriter, q *query) bool {
	service := ""
	if q.r.Method == http.MethodGet && strings.HasSuffix(q.url.Path, infoRefs) {
		service = q.url.Query().Get("service")
	}
	switch {
	case service == "git-upload-pack":
		p.serveInfoRefs(w, q)
	case service == "git-receive-pack":
		p.beforePush(w, q)
		q.soft = true
		p.pass(w, q, "git push")
	case q.r.Method == http.MethodPost && strings.HasSuffix(q.url.Path, receivePack):
		p.servePush(w, q)
	case isUploadPack(q.r):
		p.serveUploadPack(w, q)
	default:
		return false
	}
	return true
}

// beforePush makes the push that is about to come one over HTTP/1.1: this
// connection ends, and the host's next ones offer nothing else. git with libcurl
// 7.88 (Debian 12) stops for good when it has filled an HTTP/2 window: 12 of 15
// pushes of 3 MB to a plain Go server that takes 32 KiB each millisecond hung,
// without cachex, and some of a hundred did when the server took all at once.
func (p *Proxy) beforePush(w http.ResponseWriter, q *query) {
	p.pushedTo.Store(strings.ToLower(q.url.Hostname()), true)
	if q.r.ProtoMajor == 2 {
		w.Header().Set("Connection", "close") // a GOAWAY
	}
}

// servePush passes a push on, once, and forgets what refs there were before.
func (p *Proxy) servePush(w http.ResponseWriter, q *query) {
	p.pass(w, q, "git push")
	key, ok := repositoryKey(q.key, receivePack)
	if !ok || p.Offline {
		return
	}
	key.Target = strings.TrimSuffix(key.Target, "/") + infoRefs + "?service=git-upload-pack"
	for _, protocol := range []string{"", "git-version=1"} { // version 2 lists no refs there
		for _, who := range []string{"", p.credentialsLabel(q.url, q.r.Header)} {
			if err := p.Store.Remove(key, joinLabels(protocol, who)); err != nil {
				p.Log.Debug("forget refs", "err", err)
			}
		}
	}
}

// repositoryKey cuts what a request is for off its key.
func repositoryKey(k store.Key, suffix string) (store.Key, bool) {
	path, _, _ := strings.Cut(k.Target, "?")
	path, ok := strings.CutSuffix(path, suffix)
	if path == "" {
		path = "/"
	}
	return store.Key{Host: k.Host, Target: path}, ok
}

// mirrorOf is the mirror that a request's client may see: what others got with
// their credentials, or over plain http, is kept apart.
func (p *Proxy) mirrorOf(q *query, suffix string) *mirror.Repository {
	key, ok := repositoryKey(q.key, suffix)
	if !ok {
		return nil
	}
	scheme := ""
	if q.url.Scheme != "https" {
		scheme = q.url.Scheme
	}
	return p.mirrors().Repository(key.Name(joinLabels(scheme, p.credentialsLabel(q.url, q.r.Header))))
}

func (p *Proxy) mirrors() *mirror.Mirrors {
	p.gitOnce.Do(func() {
		below := func(dir string) string { return filepath.Join(dir, filepath.FromSlash(mirrorDir)) }
		p.git.mirrors.Dir = below(p.Store.Dir())
		for _, dir := range p.Store.Lower() {
			p.git.mirrors.Below = append(p.git.mirrors.Below, below(dir))
		}
	})
	return &p.git.mirrors
}

// serveInfoRefs answers what each fetch begins with: all refs in protocols 0
// and 1, what the server can do in protocol 2.
func (p *Proxy) serveInfoRefs(w http.ResponseWriter, q *query) {
	repo := p.mirrorOf(q, infoRefs)
	if repo == nil {
		p.serveCached(w, q)
		return
	}
	version := mirror.Version(q.r.Header.Get("Git-Protocol"))
	answer := func(fetched bool) ([]byte, error) {
		if version == 2 {
			return repo.Capabilities(q.r.Context())
		}
		return repo.Advertisement(version, fetched)
	}
	const kind = "application/x-git-upload-pack-advertisement"
	if p.Offline && p.Frozen == nil && version != 2 && p.serveMirrored(w, q, kind, "", func() ([]byte, error) { return answer(true) }) {
		return
	}
	q.instead = func(w http.ResponseWriter, why string) bool {
		return p.serveMirrored(w, q, kind, why, func() ([]byte, error) {
			if b, err := answer(true); err == nil {
				return b, nil
			}
			return answer(false)
		})
	}
	p.serveCached(w, q)
	p.feedMirror(q, repo, mirror.Question{Version: version})
}

// serveLsRefs answers which refs there are, in protocol 2.
func (p *Proxy) serveLsRefs(w http.ResponseWriter, q *query, repo *mirror.Repository, asked mirror.Question) {
	if p.Offline && p.Frozen == nil && p.serveMirrored(w, q, uploadPackResult, "", func() ([]byte, error) { return repo.LsRefs(asked, true) }) {
		return
	}
	q.instead = func(w http.ResponseWriter, why string) bool {
		return p.serveMirrored(w, q, uploadPackResult, why, func() ([]byte, error) {
			if b, err := repo.LsRefs(asked, true); err == nil {
				return b, nil
			}
			return repo.LsRefs(asked, false)
		})
	}
	p.serveCached(w, q)
	p.feedMirror(q, repo, asked)
}

const uploadPackResult = "application/x-git-upload-pack-result"

// serveFetch answers with objects.
func (p *Proxy) serveFetch(w http.ResponseWriter, q *query, repo *mirror.Repository, asked mirror.Question, plain []byte) {
	q.instead = func(w http.ResponseWriter, why string) bool {
		out, err := p.fetchMirrored(q.r.Context(), repo, asked, plain)
		if err != nil {
			return p.refuseMirrored(w, q, err)
		}
		defer os.Remove(out.Name())
		defer out.Close()
		p.sendMirrored(w, q, uploadPackResult, why, out)
		return true
	}
	p.serveCached(w, q)
	p.feedMirror(q, repo, asked)
}

// standIn has a request answered by other means than the store and upstream.
func (q *query) standIn(w http.ResponseWriter, why string) bool {
	return q.instead != nil && q.instead(w, why)
}

// fetchMirrored has git write the whole answer before any of it is sent: only
// then it is known that no object is missing.
func (p *Proxy) fetchMirrored(ctx context.Context, repo *mirror.Repository, asked mirror.Question, plain []byte) (*os.File, error) {
	out, err := p.mirrors().Temp()
	if err != nil {
		return nil, err
	}
	err = repo.Fetch(ctx, asked, bytes.NewReader(plain), out)
	if err == nil {
		_, err = out.Seek(0, io.SeekStart)
	}
	if err != nil {
		out.Close()
		os.Remove(out.Name())
		return nil, err
	}
	return out, nil
}

// serveMirrored sends what the mirror has and tells whether it had something.
// why is empty for an answer that is tried before others.
func (p *Proxy) serveMirrored(w http.ResponseWriter, q *query, kind, why string, answer func() ([]byte, error)) bool {
	b, err := answer()
	switch {
	case err == nil:
		p.sendMirrored(w, q, kind, why, bytes.NewReader(b))
		return true
	case why == "":
		return false
	}
	return p.refuseMirrored(w, q, err)
}

// refuseMirrored says why the mirror has no answer, unless there is another
// reason to give: that upstream failed.
func (p *Proxy) refuseMirrored(w http.ResponseWriter, q *query, err error) bool {
	var none *mirror.NoneError
	if errors.As(err, &none) && none.Err != nil {
		p.Log.Debug("git mirror", "url", q.x.ex.URL, "err", none.Err)
	}
	if !p.Offline {
		return false
	}
	p.refuse(w, q, "offline: not in the cache, and "+err.Error())
	return true
}

func (p *Proxy) sendMirrored(w http.ResponseWriter, q *query, kind, why string, answer io.Reader) {
	o, reason := Hit, "git mirror"
	if !p.Offline {
		o, reason = Stale, why+"; from the git mirror"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-cache")
	mark(w.Header(), hitStatus(o))
	out := &responseMeter{ResponseWriter: w}
	out.WriteHeader(http.StatusOK)
	_, err := io.Copy(out, answer)
	q.x.bytes = out.n
	if err != nil {
		q.x.finish(Error, err.Error(), out.status)
		panic(http.ErrAbortHandler)
	}
	q.x.finish(o, reason, out.status)
}
