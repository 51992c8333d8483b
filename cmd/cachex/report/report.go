// Package report tells of a run and of what it downloaded, in several formats.
//
// A Report is made of a Run, the head, and of its Exchanges, one for each
// request. cachex makes one at the end of each run, and again of the record that
// the run has left: a format cannot tell which. REPORT.md describes the fields.
package report

import (
	"io"
	"iter"
	"time"
)

// Schema is the version of the JSON report. Fields may be added under the same
// number, never changed.
const Schema = 1

// Run is what a report says beside the single exchanges.
type Run struct {
	Schema int `json:"schema"`
	// Version is that of the cachex which ran the command.
	Version string   `json:"version,omitempty"`
	Command []string `json:"command"`
	// Dir is the working directory; "" in records of older versions.
	Dir     string    `json:"dir,omitempty"`
	Exit    int       `json:"exit"`
	Started time.Time `json:"started"`
	// MS is how long it took, milliseconds.
	MS      int64  `json:"ms"`
	Sandbox string `json:"sandbox"`
	Rung    string `json:"rung"`
	// Lacks are the parts that the sandbox did without.
	Lacks   []string `json:"lacks,omitempty"`
	Policy  string   `json:"policy"`
	Offline bool     `json:"offline"`
	Cache   string   `json:"cache"`
	Lower   []string `json:"lower,omitempty"`
	Lock    string   `json:"lock,omitempty"`
	Frozen  bool     `json:"frozen,omitempty"`
	// Changed are files of trust stores that the command changed.
	Changed []string `json:"changed,omitempty"`
	// Daemons are the sockets at which the command asked one outside.
	Daemons []string `json:"daemons,omitempty"`
	Totals  Counts   `json:"totals"`
	// Hosts are in the order of their requests, the busiest first.
	Hosts []HostCounts `json:"hosts"`
	Hints []Hint       `json:"hints,omitempty"`
	// Notes are what else a person should know of the run.
	Notes []Note `json:"notes,omitempty"`
	// Since compares with an earlier run; nil when there was none.
	Since *Since `json:"since,omitempty"`
}

// Counts are sums of exchanges, of all hosts or of one.
type Counts struct {
	Requests     int   `json:"requests"`
	Hit          int   `json:"hit"`
	Revalidated  int   `json:"revalidated"`
	Stale        int   `json:"stale"`
	Miss         int   `json:"miss"`
	Pass         int   `json:"pass"`
	Tunnel       int   `json:"tunnel"`
	Refused      int   `json:"refused"`
	Error        int   `json:"error"`
	BytesCache   int64 `json:"bytes_cache"`
	BytesNetwork int64 `json:"bytes_network"`
	SavedMS      int64 `json:"saved_ms"`
}

// HostCounts are the counts of one host.
type HostCounts struct {
	Host string `json:"host"`
	Counts
}

// The outcomes of an exchange, as the package proxy names them.
const (
	Hit         = "hit"
	Revalidated = "revalidated"
	Stale       = "stale"
	Miss        = "miss"
	Pass        = "pass"
	Tunnel      = "tunnel"
	Refused     = "refused"
	Error       = "error"
)

// Exchange is what became of a request. It holds no secrets.
type Exchange struct {
	Method  string `json:"method"`
	URL     string `json:"url"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
	// Status is 0 when no answer was sent.
	Status int `json:"status"`
	// Bytes are of the body, to the client.
	Bytes int64 `json:"bytes"`
	// SHA256 is of the whole body, hexadecimal; "" when it is not known.
	SHA256 string `json:"sha256"`
	// Expected is the digest that the lock names, where another one was refused.
	Expected string `json:"expected,omitempty"`
	// Accept is the request's field of that name where the answer depends on it.
	Accept string `json:"accept,omitempty"`
	// StartMS is when the request came, after Run.Started, and MS how long it took,
	// in milliseconds.
	StartMS int64 `json:"start_ms"`
	MS      int64 `json:"ms"`
	// WaitMS is how long the first byte of an answer from upstream took,
	// milliseconds; 0 where none came from there.
	WaitMS int64 `json:"wait_ms,omitempty"`
	// Cause is the reason for programs: one of the words of cause.go; "" where the
	// outcome says it all.
	Cause string `json:"cause,omitempty"`
	// Network are the bytes of the body that came from upstream.
	Network int64 `json:"network,omitempty"`
	// Type is the media type of the answer, without parameters; "" when it has none.
	Type string `json:"type,omitempty"`
	// SavedMS is how much longer the same took when it was fetched, milliseconds.
	SavedMS int64 `json:"saved_ms,omitempty"`
	// Obstacle is why the host's TLS could not be opened, and Client the program
	// that was in the way; "" when it could, or when that is not known.
	Obstacle string `json:"obstacle,omitempty"`
	Client   string `json:"client,omitempty"`
}

// Note is a sentence about a run. Its kind is "note" or "lock".
type Note struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
	// Detail is the system's reason, if there is one, and Hint what helps.
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"`
}

// Report is a run with its exchanges.
type Report struct {
	Run
	// Exchanges can be gone through several times. An error ends them.
	Exchanges iter.Seq2[Exchange, error]
	// Account is the sum of the exchanges.
	Account *Account

	// Subjects are the files that a provenance is for, made by the command.
	Subjects []Subject

	spool *Spool // that the exchanges are in, nil when they come from elsewhere
}

// Format is a way to write a report to a file.
type Format struct {
	Name  string
	Write func(io.Writer, *Report) error
	// Appends tells that a file of the format has the reports of several runs: it is
	// added to, not replaced.
	Appends bool
}

// Formats are all but the text, which is written to a terminal: see Text.
func Formats() []Format {
	return []Format{
		{Name: "json", Write: WriteJSON},
		{Name: "html", Write: WriteHTML},
		{Name: "github", Write: WriteGitHub, Appends: true},
		{Name: "har", Write: WriteHAR},
		{Name: "cyclonedx", Write: WriteCycloneDX},
		{Name: "spdx", Write: WriteSPDX},
		{Name: "slsa", Write: WriteSLSA},
	}
}
