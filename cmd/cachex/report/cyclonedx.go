package report

import (
	"io"
	"strconv"
	"strings"
	"time"
)

// What of CycloneDX is written, in the order of its schema. (The format's own library
// does it too, but is made ready in each process that it is linked into, with
// encoding/gob: 0.4 ms at the start of both of a run's.)
type (
	cycloneDX struct {
		Schema       string         `json:"$schema"`
		Format       string         `json:"bomFormat"`
		SpecVersion  string         `json:"specVersion"`
		SerialNumber string         `json:"serialNumber"`
		Version      int            `json:"version"`
		Metadata     cdxMetadata    `json:"metadata"`
		Components   []cdxComponent `json:"components"`
	}
	cdxMetadata struct {
		Timestamp  string        `json:"timestamp"`
		Lifecycles []cdxPhase    `json:"lifecycles"`
		Tools      cdxTools      `json:"tools"`
		Component  cdxComponent  `json:"component"`
		Properties []cdxProperty `json:"properties"`
	}
	cdxPhase struct {
		Phase string `json:"phase"`
	}
	cdxTools struct {
		Components []cdxComponent `json:"components"`
	}
	cdxComponent struct {
		Ref        string         `json:"bom-ref,omitempty"`
		MIMEType   string         `json:"mime-type,omitempty"`
		Type       string         `json:"type"`
		Group      string         `json:"group,omitempty"`
		Name       string         `json:"name"`
		Version    string         `json:"version,omitempty"`
		Hashes     []cdxHash      `json:"hashes,omitempty"`
		PackageURL string         `json:"purl,omitempty"`
		References []cdxReference `json:"externalReferences,omitempty"`
		Properties []cdxProperty  `json:"properties,omitempty"`
	}
	cdxHash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	cdxReference struct {
		URL  string `json:"url"`
		Type string `json:"type"`
	}
	cdxProperty struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
)

// WriteCycloneDX writes a bill of materials in CycloneDX 1.6 (ECMA-424), as JSON: a
// component for each download. It says what the command has received, not what has
// become of it: how components depend on one another is not known here. The same
// run has the same bytes each time.
func WriteCycloneDX(w io.Writer, r *Report) error {
	parts, err := downloads(r)
	if err != nil {
		return err
	}
	id, err := r.runID()
	if err != nil {
		return err
	}
	head := cycloneDX{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6",
		SerialNumber: "urn:uuid:" + id, Version: 1,
		Metadata: cdxMetadata{
			Timestamp:  r.ended().Format(time.RFC3339),
			Lifecycles: []cdxPhase{{"build"}},
			Tools:      cdxTools{[]cdxComponent{{Type: "application", Name: "cachex", Version: r.Version}}},
			Component:  cdxComponent{Ref: "run", Type: "application", Name: r.commandLine()},
			Properties: []cdxProperty{
				{"cachex:command", r.commandLine()},
				{"cachex:exit", strconv.Itoa(r.Exit)},
				{"cachex:policy", r.Policy},
				{"cachex:sandbox", r.Sandbox},
				{"cachex:offline", strconv.FormatBool(r.Offline)},
			},
		},
		Components: []cdxComponent{},
	}
	return writeDocument(w, head, list{"components", each(parts, component)})
}

func component(p part) any {
	named, purl := p.pkg()
	c := cdxComponent{Ref: p.id(), Group: named.Namespace, Name: named.Name, Version: named.Version, PackageURL: purl}
	switch natureOf(named, p.mediaType) {
	case aPackage, aRepository:
		c.Type = "library"
	case anImage:
		c.Type = "container"
	default:
		c.Type = "file"
	}
	if shapes().mime.MatchString(p.mediaType) {
		c.MIMEType = p.mediaType
	}
	reference := cdxReference{URL: p.url, Type: "distribution"}
	if repository, ok := strings.CutPrefix(p.url, "git+"); ok {
		reference = cdxReference{URL: repository, Type: "vcs"}
	}
	if p.sha256 != "" {
		c.Hashes = []cdxHash{{"SHA-256", p.sha256}}
	}
	c.References = []cdxReference{reference}
	c.Properties = []cdxProperty{
		{"cachex:outcome", p.outcome},
		{"cachex:bytes", strconv.FormatInt(p.bytes, 10)},
	}
	return c
}
