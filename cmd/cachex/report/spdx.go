package report

import (
	"io"
	"iter"
	"path"
	"strings"
	"time"
)

// SPDX 2.3, as JSON. The names of fields are those of the specification.

type spdxDocument struct {
	Version           string             `json:"spdxVersion"`
	DataLicense       string             `json:"dataLicense"`
	ID                string             `json:"SPDXID"`
	Name              string             `json:"name"`
	DocumentNamespace string             `json:"documentNamespace"`
	CreationInfo      spdxCreation       `json:"creationInfo"`
	Packages          []spdxPackage      `json:"packages"`
	Relationships     []spdxRelationship `json:"relationships"`
}

type spdxCreation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
	Comment  string   `json:"comment"`
}

type spdxPackage struct {
	ID               string         `json:"SPDXID"`
	Name             string         `json:"name"`
	VersionInfo      string         `json:"versionInfo,omitempty"`
	FileName         string         `json:"packageFileName,omitempty"`
	DownloadLocation string         `json:"downloadLocation"`
	FilesAnalyzed    bool           `json:"filesAnalyzed"`
	Purpose          string         `json:"primaryPackagePurpose"`
	Checksums        []spdxChecksum `json:"checksums,omitempty"`
	LicenseConcluded string         `json:"licenseConcluded"`
	LicenseDeclared  string         `json:"licenseDeclared"`
	Copyright        string         `json:"copyrightText"`
	Supplier         string         `json:"supplier"`
	References       []spdxRef      `json:"externalRefs,omitempty"`
}

type spdxChecksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type spdxRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type spdxRelationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

const noAssertion = "NOASSERTION"

// WriteSPDX writes a bill of materials in SPDX 2.3 (ISO/IEC 5962 has 2.2.1), as JSON:
// a package for each download. Nothing is asserted of licences and suppliers, as
// cachex does not look into what it carries. The same run has the same bytes each
// time.
func WriteSPDX(w io.Writer, r *Report) error {
	parts, err := downloads(r)
	if err != nil {
		return err
	}
	id, err := r.runID()
	if err != nil {
		return err
	}
	head := spdxDocument{
		Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: "SPDXRef-DOCUMENT",
		Name: "downloads of " + r.commandLine(), DocumentNamespace: "urn:uuid:" + id,
		CreationInfo: spdxCreation{
			Created: r.ended().Format(time.RFC3339), Creators: []string{"Tool: " + strings.TrimSuffix("cachex-"+r.Version, "-")},
			Comment: "What the command has received from the network or from the cache.",
		},
		Packages: []spdxPackage{}, Relationships: []spdxRelationship{},
	}
	describes := func(yield func(any, error) bool) {
		for _, p := range parts {
			if !yield(spdxRelationship{"SPDXRef-DOCUMENT", "DESCRIBES", spdxID(p)}, nil) {
				return
			}
		}
	}
	return writeDocument(w, head, list{"packages", each(parts, spdxOf)}, list{"relationships", iter.Seq2[any, error](describes)})
}

func spdxID(p part) string { return "SPDXRef-" + p.id() }

func spdxOf(p part) any {
	named, purl := p.pkg()
	s := spdxPackage{
		ID: spdxID(p), Name: named.Name, VersionInfo: named.Version, DownloadLocation: p.url,
		LicenseConcluded: noAssertion, LicenseDeclared: noAssertion, Copyright: noAssertion, Supplier: noAssertion,
	}
	if named.Namespace != "" {
		s.Name = named.Namespace + "/" + named.Name
	}
	switch natureOf(named, p.mediaType) {
	case aPackage:
		s.Purpose = "LIBRARY"
	case anImage:
		s.Purpose = "CONTAINER"
	case aRepository:
		s.Purpose = "SOURCE"
	default:
		s.Purpose = "FILE"
	}
	if address, _, _ := strings.Cut(p.url, "?"); s.Purpose != "SOURCE" && !strings.HasSuffix(address, "/") {
		s.FileName = path.Base(address)
	}
	if p.sha256 != "" {
		s.Checksums = []spdxChecksum{{"SHA256", p.sha256}}
	}
	if purl != "" {
		s.References = []spdxRef{{"PACKAGE-MANAGER", "purl", purl}}
	}
	return s
}
