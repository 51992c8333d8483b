package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"cachex/sandbox"
)

// reportSchema is the version of the JSON report. Fields may be added under
// the same number, never changed (REPORT.md).
const reportSchema = 1

// summary is what a report says beside the single exchanges. Its JSON form is
// the head of the JSON report.
type summary struct {
	Schema  int          `json:"schema"`
	Command []string     `json:"command"`
	Exit    int          `json:"exit"`
	Started time.Time    `json:"started"`
	MS      int64        `json:"ms"`
	Sandbox string       `json:"sandbox"`
	Rung    sandbox.Rung `json:"rung"`
	// Lacks are the parts that the sandbox did without.
	Lacks   []sandbox.Part `json:"lacks,omitempty"`
	lacks   []sandbox.Lack
	fell    error    // why it is not what was asked for, nil when it is
	Policy  string   `json:"policy"`
	Offline bool     `json:"offline"`
	Cache   string   `json:"cache"`
	Lower   []string `json:"lower,omitempty"`
	Lock    string   `json:"lock,omitempty"`
	Frozen  bool     `json:"frozen,omitempty"`
	locked  lockNote
	Changed []string `json:"changed,omitempty"`
	// Daemons are the sockets at which the command asked one outside.
	Daemons []string     `json:"daemons,omitempty"`
	Totals  counts       `json:"totals"`
	Hosts   []hostCounts `json:"hosts"`
	Hints   []hint       `json:"hints,omitempty"`
}

// writeJSONFile writes the report beside its place and renames it, so that a
// reader never sees half of it.
func writeJSONFile(path string, s summary, lines *spool) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".cachex-report-")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	defer os.Remove(f.Name())
	err = writeJSON(f, s, lines)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// writeJSON writes the summary with the spooled exchanges as its last field.
func writeJSON(w io.Writer, s summary, lines *spool) error {
	head, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "%s,\n\"exchanges\":[\n", head[:len(head)-1]); err != nil {
		return err
	}
	if err := lines.copyTo(w); err != nil {
		return err
	}
	_, err = io.WriteString(w, "\n]}\n")
	return err
}
