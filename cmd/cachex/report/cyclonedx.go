package report

import (
	"io"
	"strconv"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
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
	about := []cdx.Property{
		{Name: "cachex:command", Value: r.commandLine()},
		{Name: "cachex:exit", Value: strconv.Itoa(r.Exit)},
		{Name: "cachex:policy", Value: r.Policy},
		{Name: "cachex:sandbox", Value: r.Sandbox},
		{Name: "cachex:offline", Value: strconv.FormatBool(r.Offline)},
	}
	head := cdx.BOM{
		JSONSchema: "http://cyclonedx.org/schema/bom-1.6.schema.json", BOMFormat: cdx.BOMFormat, SpecVersion: cdx.SpecVersion1_6,
		SerialNumber: "urn:uuid:" + id, Version: 1,
		Metadata: &cdx.Metadata{
			Timestamp:  r.ended().Format(time.RFC3339),
			Lifecycles: &[]cdx.Lifecycle{{Phase: cdx.LifecyclePhaseBuild}},
			Tools:      &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: "cachex", Version: r.Version}}},
			Component:  &cdx.Component{BOMRef: "run", Type: cdx.ComponentTypeApplication, Name: r.commandLine()},
			Properties: &about,
		},
		Components: &[]cdx.Component{},
	}
	return writeDocument(w, head, list{"components", each(parts, component)})
}

func component(p part) any {
	named, purl := p.pkg()
	c := cdx.Component{BOMRef: p.id(), Group: named.Namespace, Name: named.Name, Version: named.Version, PackageURL: purl}
	switch natureOf(named, p.mediaType) {
	case aPackage, aRepository:
		c.Type = cdx.ComponentTypeLibrary
	case anImage:
		c.Type = cdx.ComponentTypeContainer
	default:
		c.Type = cdx.ComponentTypeFile
	}
	if shapes().mime.MatchString(p.mediaType) {
		c.MIMEType = p.mediaType
	}
	reference := cdx.ExternalReference{Type: cdx.ERTypeDistribution, URL: p.url}
	if repository, ok := strings.CutPrefix(p.url, "git+"); ok {
		reference = cdx.ExternalReference{Type: cdx.ERTypeVCS, URL: repository}
	}
	if p.sha256 != "" {
		c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: p.sha256}}
	}
	c.ExternalReferences = &[]cdx.ExternalReference{reference}
	c.Properties = &[]cdx.Property{
		{Name: "cachex:outcome", Value: p.outcome},
		{Name: "cachex:bytes", Value: strconv.FormatInt(p.bytes, 10)},
	}
	return c
}
