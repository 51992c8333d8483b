package proxy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"

	"cachex/proxy/mirror"
)

// git fetches over POST requests that only read (gitprotocol-http(5)). The
// answer to a "fetch" is determined by the request's body; "ls-refs" asks for
// the newest state.

// maxQuestion bounds the body of a request that is kept in memory to name the
// answer. A clone's is a few kilobytes.
const maxQuestion = 4 << 20

func isUploadPack(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, uploadPack) &&
		r.Header.Get("Content-Type") == "application/x-git-upload-pack-request"
}

func (p *Proxy) serveUploadPack(w http.ResponseWriter, q *query) {
	body, err := io.ReadAll(io.LimitReader(q.r.Body, maxQuestion+1))
	if err != nil {
		q.x.finish(Error, "the client's request ended early: "+err.Error(), 0)
		panic(http.ErrAbortHandler)
	}
	if len(body) > maxQuestion {
		q.r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), q.r.Body), q.r.Body}
		p.pass(w, q, "git request of more than 4 MiB")
		return
	}
	q.r.Body = io.NopCloser(bytes.NewReader(body))
	plain, err := plainQuestion(q.r, body)
	if err != nil {
		p.pass(w, q, "git request in an unknown form")
		return
	}
	q.body = body
	sum := sha256.Sum256(append(normalQuestion(plain), q.r.Header.Get("Git-Protocol")...))
	q.question, q.soft = "post-"+hex.EncodeToString(sum[:12]), false
	q.base = joinLabels(q.base, q.question)
	repo := p.mirrorOf(q, uploadPack)
	asked, err := mirror.ParseQuestion(mirror.Version(q.r.Header.Get("Git-Protocol")), plain)
	q.fixed = asked.Fixed()
	switch {
	case repo == nil || err != nil:
		p.serveCached(w, q)
	case asked.Command == "ls-refs":
		p.serveLsRefs(w, q, repo, asked)
	case asked.Command == "fetch":
		p.serveFetch(w, q, repo, asked, plain)
	default:
		if string(plain) == flushPacket {
			q.instead = func(w http.ResponseWriter, why string) bool {
				p.sendMirrored(w, q, uploadPackResult, why, strings.NewReader(""))
				return true
			}
		}
		p.serveCached(w, q)
	}
}

// flushPacket is what git sends before a body of unknown length, to see whether
// it may (git's remote-curl.c, probe_rpc).
const flushPacket = "0000"

// plainQuestion undoes the coding that git uses above one kilobyte.
func plainQuestion(r *http.Request, body []byte) ([]byte, error) {
	switch r.Header.Get("Content-Encoding") {
	case "":
		return body, nil
	case "gzip":
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		plain, err := io.ReadAll(io.LimitReader(z, 4*maxQuestion))
		if err == nil && len(plain) == 4*maxQuestion {
			err = errors.New("too long")
		}
		return plain, err
	}
	return nil, errors.New("unknown content coding")
}

// normalQuestion leaves out the capabilities that say who asks, not what: an
// upgrade of git would make every answer unknown. What is no sequence of
// pkt-lines (gitprotocol-common(5)) stays as it is.
func normalQuestion(plain []byte) []byte {
	var out []byte
	for rest := plain; len(rest) > 0; {
		if len(rest) < 4 {
			return plain
		}
		n, err := strconv.ParseUint(string(rest[:4]), 16, 16)
		if err != nil || int(n) > len(rest) {
			return plain
		}
		size := max(4, int(n)) // 0000 to 0002 are marks without content
		line := rest[4:size]
		rest = rest[size:]
		if n < 4 {
			out = append(out, strconv.Itoa(int(n))...)
		}
		for word := range bytes.SplitSeq(line, []byte(" ")) {
			if !bytes.HasPrefix(word, []byte("agent=")) && !bytes.HasPrefix(word, []byte("session-id=")) {
				out = append(append(out, ' '), word...)
			}
		}
		out = append(out, '\n')
	}
	return out
}
