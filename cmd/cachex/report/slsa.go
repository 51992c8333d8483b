package report

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/package-url/packageurl-go"
)

// SLSA provenance v1 in an in-toto statement v1, without a signature.

// BuildType says what externalParameters mean: "cachex help reports" describes them.
// No one else has the scheme; the URI leads nowhere.
const BuildType = "cachex:run/v1"

// builderID stands for the machine that cachex ran on, of which it knows nothing.
// Whoever signs the statement vouches for that.
const builderID = "cachex:local/v1"

// Subject is a file that a run has made. cachex does not see what a command writes:
// the user names it.
type Subject struct {
	Name   string // the path as the user gave it
	SHA256 string // of its content, hexadecimal
}

// NewSubject reads a file.
func NewSubject(path string) (Subject, error) {
	f, err := os.Open(path)
	if err != nil {
		return Subject{}, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return Subject{}, err
	}
	return Subject{filepath.ToSlash(path), hex.EncodeToString(sum.Sum(nil))}, nil
}

// ErrNoSubject is that of a provenance of nothing, which in-toto does not allow.
var ErrNoSubject = errors.New("a provenance needs the files that it is for")

type inTotoStatement struct {
	Type          string           `json:"_type"`
	Subject       []inTotoResource `json:"subject"`
	PredicateType string           `json:"predicateType"`
	Predicate     slsaProvenance   `json:"predicate"`
}

type inTotoResource struct {
	Name             string            `json:"name,omitempty"`
	URI              string            `json:"uri,omitempty"`
	Digest           map[string]string `json:"digest,omitempty"`
	DownloadLocation string            `json:"downloadLocation,omitempty"`
	MediaType        string            `json:"mediaType,omitempty"`
}

type slsaProvenance struct {
	BuildDefinition slsaDefinition `json:"buildDefinition"`
	RunDetails      slsaRun        `json:"runDetails"`
}

type slsaDefinition struct {
	BuildType            string           `json:"buildType"`
	ExternalParameters   slsaExternal     `json:"externalParameters"`
	InternalParameters   slsaInternal     `json:"internalParameters"`
	ResolvedDependencies []inTotoResource `json:"resolvedDependencies"`
}

type slsaExternal struct {
	Command []string `json:"command"`
	Policy  string   `json:"policy"`
	Offline bool     `json:"offline"`
	Lock    string   `json:"lock,omitempty"`
	Frozen  bool     `json:"frozen,omitempty"`
}

type slsaInternal struct {
	Sandbox string   `json:"sandbox"`
	Rung    string   `json:"rung,omitempty"`
	Lacks   []string `json:"lacks,omitempty"`
	Exit    int      `json:"exit"`
}

type slsaRun struct {
	Builder  slsaBuilder  `json:"builder"`
	Metadata slsaMetadata `json:"metadata"`
}

type slsaBuilder struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version,omitempty"`
}

type slsaMetadata struct {
	InvocationID string `json:"invocationId"`
	StartedOn    string `json:"startedOn"`
	FinishedOn   string `json:"finishedOn"`
}

// WriteSLSA writes a SLSA provenance v1 of the report's Subjects, with all downloads
// as resolvedDependencies. A package is named by its package URL, all else by its
// address. Without a subject it is ErrNoSubject. The same run has the same bytes each
// time, for the same files.
func WriteSLSA(w io.Writer, r *Report) error {
	if len(r.Subjects) == 0 {
		return ErrNoSubject
	}
	parts, err := downloads(r)
	if err != nil {
		return err
	}
	id, err := r.runID()
	if err != nil {
		return err
	}
	s := inTotoStatement{
		Type: "https://in-toto.io/Statement/v1", PredicateType: "https://slsa.dev/provenance/v1",
		Predicate: slsaProvenance{
			BuildDefinition: slsaDefinition{
				BuildType:            BuildType,
				ExternalParameters:   slsaExternal{r.Command, r.Policy, r.Offline, r.Lock, r.Frozen},
				InternalParameters:   slsaInternal{r.Sandbox, r.Rung, r.Lacks, r.Exit},
				ResolvedDependencies: []inTotoResource{},
			},
			RunDetails: slsaRun{
				Builder:  slsaBuilder{ID: builderID},
				Metadata: slsaMetadata{"urn:uuid:" + id, r.Started.UTC().Format(time.RFC3339), r.ended().Format(time.RFC3339)},
			},
		},
	}
	if r.Version != "" {
		s.Predicate.RunDetails.Builder.Version = map[string]string{"cachex": r.Version}
	}
	for _, subject := range r.Subjects {
		s.Subject = append(s.Subject, inTotoResource{Name: subject.Name, Digest: map[string]string{"sha256": subject.SHA256}})
	}
	if err := writeDocument(w, s, list{"resolvedDependencies", each(parts, dependency)}); err != nil {
		return fmt.Errorf("write the provenance: %w", err)
	}
	return nil
}

func dependency(p part) any {
	named, purl := p.pkg()
	d := inTotoResource{Name: named.Name, URI: p.url, MediaType: p.mediaType}
	if named.Type != packageurl.TypeGeneric {
		d.URI, d.DownloadLocation = purl, p.url
	}
	if named.Version != "" {
		d.Name += "@" + named.Version
	}
	if p.sha256 != "" {
		d.Digest = map[string]string{"sha256": p.sha256}
	}
	return d
}
