package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// Git LFS (docs/api/batch.md of git-lfs): a POST asks for links to objects by
// their SHA-256, and a GET follows each link. The links may be signed anew each
// time and lead anywhere, so an object is kept under a name of its own beside
// the batch's URL, .../objects/OID, for the credentials that the batch was sent
// with. Nothing of a batch is kept: without upstream it is answered with links
// to the objects that are there.

const (
	lfsType    = "application/vnd.git-lfs+json"
	lfsBatch   = "/objects/batch"
	lfsLocks   = "/info/lfs/locks"
	lfsObjects = "/objects/"

	// maxBatch bounds both sides of a batch. git-lfs asks for 100 objects at
	// once, at some 100 bytes each, and gets a kilobyte for each.
	maxBatch = 4 << 20

	// lfsLifetime is what replayed links say of themselves, in seconds: git-lfs
	// asks for new ones when theirs expire during a transfer.
	lfsLifetime = 24 * 60 * 60
)

type lfsRequest struct {
	Operation string `json:"operation"`
	Objects   []struct {
		OID  string `json:"oid"`
		Size int64  `json:"size"`
	} `json:"objects"`
	HashAlgo string `json:"hash_algo"`
}

type lfsResponse struct {
	Transfer string      `json:"transfer,omitempty"`
	Objects  []lfsObject `json:"objects"`
	HashAlgo string      `json:"hash_algo,omitempty"`
}

type lfsObject struct {
	OID           string               `json:"oid"`
	Size          int64                `json:"size"`
	Authenticated bool                 `json:"authenticated,omitempty"`
	Actions       map[string]lfsAction `json:"actions,omitempty"`
	Error         *lfsError            `json:"error,omitempty"`
}

type lfsAction struct {
	Href      string            `json:"href"`
	Header    map[string]string `json:"header,omitempty"`
	ExpiresIn int               `json:"expires_in,omitempty"`
}

type lfsError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// serveLFS answers a request of Git LFS, and tells whether it was one.
func (p *Proxy) serveLFS(w http.ResponseWriter, q *query) bool {
	switch q.r.Method {
	case http.MethodPost:
		if strings.HasSuffix(q.url.Path, lfsBatch) && strings.HasPrefix(q.r.Header.Get("Content-Type"), lfsType) {
			p.serveBatch(w, q)
			return true
		}
	case http.MethodGet:
		if strings.HasSuffix(q.url.Path, lfsLocks) {
			q.soft = true
			p.pass(w, q, "LFS locks")
			return true
		}
		if link, ok := p.lfs.find(p, q); ok {
			p.serveObject(w, q, link)
			return true
		}
	}
	return false
}

func (p *Proxy) serveBatch(w http.ResponseWriter, q *query) {
	body, err := io.ReadAll(io.LimitReader(q.r.Body, maxBatch+1))
	if err != nil {
		q.x.finish(Error, "the client's request ended early: "+err.Error(), 0)
		panic(http.ErrAbortHandler)
	}
	var asked lfsRequest
	if len(body) > maxBatch || json.Unmarshal(body, &asked) != nil || asked.Operation != "download" ||
		asked.HashAlgo != "" && asked.HashAlgo != "sha256" {
		q.r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), q.r.Body), q.r.Body}
		p.pass(w, q, "LFS batch other than of downloads")
		return
	}
	if p.refuseUnnamed(w, q) {
		return
	}
	if p.Offline {
		p.serveKeptBatch(w, q, asked)
		return
	}
	q.body = body
	requested := p.now()
	resp, err := p.roundTrip(p.outgoing(q.r.Context(), q))
	if err == nil && resp.StatusCode < 500 {
		defer resp.Body.Close()
		p.relayBatch(w, q, resp, requested)
		return
	}
	why := ""
	if err == nil {
		defer resp.Body.Close()
		why = resp.Status
	} else {
		why = err.Error()
	}
	if kept, missing := p.keptObjects(q, asked); missing == 0 {
		p.sendBatch(w, q, kept, Stale, "upstream failed: "+why)
		return
	}
	if err != nil {
		q.x.finish(Error, why, upstreamError(w, q, err))
		return
	}
	p.relayBatch(w, q, resp, requested)
}

// relayBatch hands an answer on as it is, and remembers its links before the
// client can follow them.
func (p *Proxy) relayBatch(w http.ResponseWriter, q *query, resp *http.Response, requested time.Time) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBatch+1))
	if err != nil {
		q.x.finish(Error, err.Error(), upstreamError(w, q, err))
		return
	}
	var answer lfsResponse
	kept := policy.KeptHeader(resp.Header)
	switch {
	case len(body) > maxBatch:
	case resp.StatusCode == http.StatusOK && json.Unmarshal(body, &answer) == nil && (answer.Transfer == "" || answer.Transfer == "basic"):
		p.lfs.note(p, q, answer)
	case resp.StatusCode == http.StatusUnauthorized:
		// A client has no credentials to show before it is told to.
		m := store.Meta{URL: q.key.URL(q.url.Scheme), Status: resp.StatusCode, Header: kept, Requested: requested, Received: p.now(), Body: body}
		if err := p.keepStatus(q, &m); err != nil {
			p.Log.Debug("keep status", "err", err)
		}
	}
	copyHeader(w.Header(), kept)
	for _, name := range []string{"Set-Cookie", "Location", "Content-Length"} {
		if v := resp.Header.Values(name); len(v) > 0 {
			w.Header()[name] = v
		}
	}
	mark(w.Header(), fwdMethod)
	out := &responseMeter{ResponseWriter: w}
	out.WriteHeader(resp.StatusCode)
	_, err = io.Copy(out, io.MultiReader(bytes.NewReader(body), resp.Body))
	q.x.bytes, q.x.network = out.n, out.n
	if err != nil {
		q.x.finish(Error, err.Error(), resp.StatusCode)
		panic(http.ErrAbortHandler)
	}
	q.x.finish(Pass, "LFS batch: its links are for now", resp.StatusCode)
}

func (p *Proxy) keepStatus(q *query, m *store.Meta) error {
	lock, err := p.Store.Lock(q.r.Context(), q.key, q.base)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	return p.Store.PutStatus(q.key, q.base, m)
}

// isOID tells whether a word is an object's name, and thus gets into a path.
func isOID(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

// objectKey is where an object is kept.
func objectKey(batch store.Key, oid string) store.Key {
	path, _, _ := strings.Cut(batch.Target, "?")
	batch.Target = strings.TrimSuffix(path, lfsBatch) + lfsObjects + oid
	return batch
}

// keptObject opens an object if it is whole. A file without metadata, which a
// user put there or changed, is read for that.
func (p *Proxy) keptObject(q *query, key store.Key, oid string) (*store.Entry, bool) {
	e, err := p.Store.Get(key, q.base)
	if err != nil {
		return nil, false
	}
	ok := e.File != nil && (e.Own || e.SHA256 == oid && (q.url.Scheme != "https" || !e.Plain()))
	if ok && e.Own {
		h := sha256.New()
		_, err := io.Copy(h, e.File)
		_, serr := e.File.Seek(0, io.SeekStart)
		ok = err == nil && serr == nil && hex.EncodeToString(h.Sum(nil)) == oid
	}
	if !ok {
		e.Close()
		return nil, false
	}
	return e, true
}

// keptObjects answers for each object, as what is asked for in one batch today
// was asked for in several before.
func (p *Proxy) keptObjects(q *query, asked lfsRequest) (objects []lfsObject, missing int) {
	header := map[string]string{}
	for line := range strings.Lines(policy.Credentials(q.r.Header)) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); ok {
			header[name] = value // so that what is under these credentials is found
		}
	}
	for _, o := range asked.Objects {
		answer := lfsObject{OID: o.OID, Size: o.Size}
		key := objectKey(q.key, o.OID)
		e, ok := (*store.Entry)(nil), false
		if isOID(o.OID) {
			e, ok = p.keptObject(q, key, o.OID)
		}
		if ok {
			answer.Size, answer.Authenticated = e.Size, true
			answer.Actions = map[string]lfsAction{"download": {Href: key.URL(q.url.Scheme), Header: header, ExpiresIn: lfsLifetime}}
			e.Close()
		} else {
			missing++
			answer.Error = &lfsError{http.StatusForbidden, "cachex: refused (offline: not in the cache)"}
		}
		objects = append(objects, answer)
	}
	return objects, missing
}

func (p *Proxy) serveKeptBatch(w http.ResponseWriter, q *query, asked lfsRequest) {
	objects, missing := p.keptObjects(q, asked)
	switch {
	case missing == 0:
		p.sendBatch(w, q, objects, Hit, "LFS objects by digest")
	case missing < len(objects):
		p.sendBatch(w, q, objects, Refused, "offline: some LFS objects are not in the cache")
	default:
		if e, err := p.Store.Get(q.key, q.base); err == nil {
			p.serveEntry(w, q, e, Hit, policy.Use{Reason: "as it was", Age: -1})
			return
		}
		p.refuse(w, q, "offline: these LFS objects are not in the cache")
	}
}

func (p *Proxy) sendBatch(w http.ResponseWriter, q *query, objects []lfsObject, o Outcome, reason string) {
	b, err := json.Marshal(lfsResponse{Transfer: "basic", Objects: objects, HashAlgo: "sha256"})
	if err != nil {
		q.x.finish(Error, err.Error(), upstreamError(w, q, err))
		return
	}
	w.Header().Set("Content-Type", lfsType)
	mark(w.Header(), hitStatus(o))
	serveText(w, q.r, http.StatusOK, b)
	q.x.bytes = int64(len(b))
	q.x.finish(o, reason, http.StatusOK)
}
