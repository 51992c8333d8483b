package proxy

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// Registries hand out bearer tokens that live for minutes (the distribution
// project's token authentication, OAuth 2). Answers to such a token are kept
// for who asked for it, by password or without any, and not for the token: it
// is another one in each run. Tokens themselves are never kept; offline, who
// got one before gets one that is good for the cache alone.

// tokens knows for whom tokens were given out.
type tokens struct {
	mu      sync.Mutex
	holders map[string]string // principal by token
}

// maxTokens bounds the tokens that are remembered.
const maxTokens = 10_000

func (t *tokens) learn(token, principal string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.holders == nil || len(t.holders) >= maxTokens {
		t.holders = map[string]string{}
	}
	t.holders[token] = principal
}

func (t *tokens) principal(token string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, ok := t.holders[token]
	return p, ok
}

// credentials begins the label of a variant for a request's credentials.
const credentials = "auth-"

// Private tells whether a variant is for a request's credentials.
func Private(variant string) bool {
	return slices.ContainsFunc(strings.Split(variant, ","), func(label string) bool { return strings.HasPrefix(label, credentials) })
}

// credentialsLabel names who sends a request, "" when it says nothing of that.
func (p *Proxy) credentialsLabel(u *url.URL, h http.Header) string {
	secret := policy.Credentials(h)
	if added := p.addedCredentials(u, h); added != "" {
		return credentials + p.Store.Hash(strings.Trim(secret+"\n"+added, "\n"))
	}
	if secret == "" {
		return ""
	}
	if _, artifact := policy.Artifact(u, 0, nil); artifact && p.jar.anybodys(u.Hostname(), h) {
		return ""
	}
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") && secret == policy.Credentials(http.Header{"Authorization": h["Authorization"]}) {
		if principal, ok := p.tokens.principal(strings.TrimSpace(token)); ok {
			return credentials + principal
		}
	}
	return credentials + p.Store.Hash(secret)
}

// isTokenRequest tells of a request for a token by its shape: service and scope
// in the query, or a form with a grant type.
func isTokenRequest(r *http.Request, u *url.URL) bool {
	switch r.Method {
	case http.MethodGet:
		if u.RawQuery == "" { // as nearly always
			return false
		}
		q := u.Query()
		named := path.Base(u.Path) == "token" || path.Base(u.Path) == "auth"
		return q.Has("service") && !strings.HasSuffix(u.Path, "/info/refs") && (named || strings.Contains(q.Get("scope"), ":"))
	case http.MethodPost:
		kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
		return kind == "application/x-www-form-urlencoded" && r.ContentLength >= 0 && r.ContentLength <= maxTokenText &&
			(path.Base(u.Path) == "token" || path.Base(u.Path) == "auth")
	}
	return false
}

// maxTokenText bounds the request for a token and the answer with it.
const maxTokenText = 256 << 10

// serveToken passes a request for a token on, and learns whom it is for.
func (p *Proxy) serveToken(w http.ResponseWriter, q *query) {
	q.soft = true
	if p.refuseUnnamed(w, q) {
		return
	}
	form, err := io.ReadAll(io.LimitReader(q.r.Body, maxTokenText))
	if err != nil {
		q.x.finish(Error, "the client's request ended early: "+err.Error(), 0)
		panic(http.ErrAbortHandler)
	}
	principal := p.principalOf(q, form)
	if p.Offline {
		if !p.serveOfflineToken(w, q, principal, "offline") {
			p.refuse(w, q, "offline: no token was given out before")
		}
		return
	}
	resp, err := p.askToken(q, form)
	if err != nil {
		if !p.serveOfflineToken(w, q, principal, "upstream failed: "+err.Error()) {
			q.x.finish(Error, err.Error(), upstreamError(w, q, err))
		}
		return
	}
	defer resp.Body.Close()
	// The form may have been a log-in all the same.
	p.noteCookies(q.r.Method, q.url, q.r.Header, resp.Header)
	p.invalidate(q, resp)
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxTokenText))
	if err != nil {
		q.x.finish(Error, err.Error(), upstreamError(w, q, err))
		return
	}
	if resp.StatusCode == http.StatusOK {
		p.learnToken(q, principal, text)
	}
	copyHeader(w.Header(), policy.KeptHeader(resp.Header))
	copyHeader(w.Header(), cookieFields(resp.Header))
	mark(w.Header(), fwdBypass+"; detail=token")
	out := &responseMeter{ResponseWriter: w}
	rest := always{io.MultiReader(bytes.NewReader(text), resp.Body)} // what is longer is no token
	err = p.stream(out, resp.StatusCode, rest, resp.ContentLength)
	q.x.bytes, q.x.network = out.n, out.n
	if err != nil {
		q.x.finish(Error, err.Error(), resp.StatusCode)
		panic(http.ErrAbortHandler)
	}
	q.x.finish(Pass, "token", resp.StatusCode)
}

func (p *Proxy) askToken(q *query, form []byte) (*http.Response, error) {
	req := p.outgoing(q.r.Context(), q)
	req.Header.Set("Accept-Encoding", "identity")
	if q.r.Method == http.MethodPost { // sent once, as every request that may write
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(form)), int64(len(form))
		return p.roundTrip(req)
	}
	return p.fetch(req, maxTries)
}

// principalOf names who asks for a token. What differs from run to run, such as
// a client's name for itself, is not in it.
func (p *Proxy) principalOf(q *query, form []byte) string {
	secret := policy.Credentials(q.r.Header)
	if added := p.addedCredentials(q.url, q.r.Header); added != "" {
		secret += "\n" + added
	}
	if values, err := url.ParseQuery(string(form)); err == nil {
		for _, name := range []string{"username", "password", "refresh_token", "client_secret", "assertion"} {
			if v := values.Get(name); v != "" {
				secret += "\n" + name + "=" + v
			}
		}
	}
	if secret == "" {
		return "anonymous"
	}
	return p.Store.Hash(secret)
}

// tokenAnswer is what the answers with tokens have in common.
type tokenAnswer struct {
	Token       string    `json:"token,omitempty"`
	AccessToken string    `json:"access_token,omitempty"`
	TokenType   string    `json:"token_type,omitempty"`
	ExpiresIn   int       `json:"expires_in,omitempty"`
	IssuedAt    time.Time `json:"issued_at"`
}

// tokenKey is where it is noted that somebody got a token: the scope does not
// matter, as what a token opens is known by what was kept.
func tokenKey(u *url.URL) store.Key {
	return store.KeyOf(&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath})
}

func (p *Proxy) learnToken(q *query, principal string, text []byte) {
	var a tokenAnswer
	if json.Unmarshal(text, &a) != nil {
		return
	}
	for _, t := range []string{a.Token, a.AccessToken} {
		if t == "" {
			continue
		}
		p.tokens.learn(t, principal)
		k := tokenKey(q.url)
		m := &store.Meta{URL: k.URL(q.url.Scheme), Status: http.StatusOK, Requested: q.x.ex.Start, Received: p.now()}
		if err := p.Store.PutNote(k, "token-"+principal, m); err != nil {
			p.Log.Debug("token", "err", err)
		}
	}
}

// serveOfflineToken makes a token that is good for what is kept for the
// principal. It reports false when none was given out before.
func (p *Proxy) serveOfflineToken(w http.ResponseWriter, q *query, principal, why string) bool {
	if _, err := p.Store.Note(tokenKey(q.url), "token-"+principal); err != nil {
		return false
	}
	token := "cachex-" + rand.Text()
	p.tokens.learn(token, principal)
	text, err := json.Marshal(tokenAnswer{
		Token: token, AccessToken: token, TokenType: "Bearer", ExpiresIn: 3600, IssuedAt: p.now().UTC().Truncate(time.Second),
	})
	if err != nil {
		return false
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	mark(w.Header(), "hit; detail=token")
	serveText(w, q.r, http.StatusOK, text)
	q.x.bytes = int64(len(text))
	q.x.finish(Hit, fmt.Sprintf("token for the cache alone (%s)", why), http.StatusOK)
	return true
}
