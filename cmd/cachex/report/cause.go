package report

// The causes of misses, of what was not kept and of what was refused. Those of
// an exchange come from the package proxy.
const (
	// CauseNew: nothing was kept under the URL.
	CauseNew = "new"
	// CauseRemoved: what was kept has lost its file.
	CauseRemoved = "removed"
	// CauseDamaged: what was kept is damaged.
	CauseDamaged = "damaged"
	// CauseChanged: what was kept was stale, and upstream has other bytes now.
	CauseChanged = "changed"
	// CauseUnchanged: what was kept was stale, and upstream has sent the same
	// bytes again, as it has no validators (RFC 9110 section 8.8).
	CauseUnchanged = "unchanged"
	// CauseAsked: the client wanted a fresh answer (RFC 9111 section 5.2.1).
	CauseAsked = "asked"
	// CauseVariant: what is kept was selected by other request fields (RFC 9111
	// section 4.1).
	CauseVariant = "variant"
	// CausePlain: what is kept came over plain http, and https was asked for.
	CausePlain = "plain"
	// CauseLock: what is kept is not what the lock names.
	CauseLock = "lock"
	// CauseMethod: requests of such a method are not kept.
	CauseMethod = "method"
	// CauseUncacheable: the answer may not be kept, or not be told from a cut one.
	CauseUncacheable = "uncacheable"
	// CauseDisk: the file could not be written.
	CauseDisk = "disk"
	// CauseOffline: it was refused as the run was offline.
	CauseOffline = "offline"
	// CauseDenied: it was refused by --allow or --deny.
	CauseDenied = "denied"
	// CauseFrozen: it was refused by --frozen.
	CauseFrozen = "frozen"
)
