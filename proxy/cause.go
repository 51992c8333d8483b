package proxy

import (
	"errors"
	"net/http"
	"strings"

	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// Cause is one word for why a request was not answered from the store.
type Cause string

// The causes. Their words are part of the report's format. The first ones are of
// misses, then come those of Pass and those of Refused.
const (
	CauseNew       Cause = "new"       // nothing was kept
	CauseRemoved   Cause = "removed"   // what was kept has lost its file
	CauseDamaged   Cause = "damaged"   // what was kept is damaged
	CauseChanged   Cause = "changed"   // it was stale, and upstream has other bytes
	CauseUnchanged Cause = "unchanged" // it was stale, and upstream has sent the same bytes again
	CauseAsked     Cause = "asked"     // the client wanted a fresh answer
	CauseVariant   Cause = "variant"   // what is kept was selected by other request fields
	CausePlain     Cause = "plain"     // what is kept came over plain http
	CauseLock      Cause = "lock"      // what is kept is not what the lock names

	CauseMethod      Cause = "method"      // of requests that are not kept
	CauseUncacheable Cause = "uncacheable" // of answers that may not be kept
	CauseDisk        Cause = "disk"        // it could not be written

	CauseOffline Cause = "offline"
	CauseDenied  Cause = "denied"
	CauseFrozen  Cause = "frozen"
)

// notWritten begins the reason of what the disk did not take.
const notWritten = "could not be kept: "

// causeOf is why a look into the store found nothing.
func causeOf(err error) Cause {
	var miss *store.MissError
	if !errors.As(err, &miss) {
		return CauseNew
	}
	switch miss.Why {
	case store.Removed:
		return CauseRemoved
	case store.Damaged:
		return CauseDamaged
	case store.OtherVariant:
		return CauseVariant
	case store.FromPlain:
		return CausePlain
	}
	return CauseNew
}

// explain says why nothing was found: that another form of the document is kept
// is not in the store's answer.
func (p *Proxy) explain(q *query, err error) (string, Cause) {
	cause := causeOf(err)
	if cause == CauseNew && q.r.Method == http.MethodGet {
		for _, form := range append(policy.Forms(q.url), q.public) {
			if form != q.base && p.Store.Has(q.key, form) {
				return "other variant", CauseVariant
			}
		}
	}
	return err.Error(), cause
}

// cause is the word for an outcome, of what is known by then.
func (x *exchange) cause(o Outcome, reason string) Cause {
	known := x.ex.Cause
	switch o {
	case Miss:
		return known
	case Pass:
		switch {
		case strings.HasPrefix(reason, notWritten):
			return CauseDisk
		case x.ex.Method != http.MethodGet && x.ex.Method != http.MethodHead:
			return CauseMethod
		}
		return CauseUncacheable
	case Refused:
		if known != CauseDenied && known != CauseFrozen && x.p.Offline {
			return CauseOffline
		}
		return known
	}
	return ""
}

// refetched tells what came of fetching again what was stale.
func refetched(a asked, status int, digest string) Cause {
	switch {
	case a.old == nil || a.cause == CauseLock:
		return a.cause
	case a.old.SHA256 != digest || a.old.Status != status:
		return CauseChanged
	case a.use.Asked:
		return CauseAsked
	}
	return CauseUnchanged
}
