package report

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	provenance "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"github.com/package-url/packageurl-go"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"
	"google.golang.org/protobuf/encoding/protojson"
)

// The bills of materials and the provenance are held to the formats' own schemas,
// as far as their libraries bring them, and read by those libraries.

func TestCycloneDX(t *testing.T) {
	dir := filepath.Join(moduleDir(t, "github.com/CycloneDX/cyclonedx-go"), "schema")
	const at = "http://cyclonedx.org/schema/"
	schema := compileSchema(t, map[string]string{
		at + "bom-1.6.schema.json":  filepath.Join(dir, "bom-1.6.schema.json"),
		at + "spdx.schema.json":     filepath.Join(dir, "spdx.schema.json"),
		at + "jsf-0.82.schema.json": filepath.Join(dir, "jsf-0.82.schemax.json"),
	}, at+"bom-1.6.schema.json")
	validate(t, schema, inFormat(t, WriteCycloneDX, reportOf(t)))
	b := inFormat(t, WriteCycloneDX, reportOf(t, sample()...))
	validate(t, schema, b)
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(b), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	if bom.SpecVersion != cdx.SpecVersion1_6 || len(*bom.Components) != sampleDownloads {
		t.Errorf("version %s, %d components", bom.SpecVersion, len(*bom.Components))
	}
	if tools := *bom.Metadata.Tools.Components; bom.Metadata.Timestamp != "2026-11-27T03:04:10Z" || tools[0].Version != "1.2.3" {
		t.Errorf("%+v", bom.Metadata)
	}
	kinds := map[cdx.ComponentType]int{}
	for _, c := range *bom.Components {
		kinds[c.Type]++
		if _, err := packageurl.FromString(c.PackageURL); err != nil {
			t.Errorf("%s: %v", c.PackageURL, err)
		}
	}
	if kinds[cdx.ComponentTypeLibrary] != 5 || kinds[cdx.ComponentTypeContainer] != 1 || kinds[cdx.ComponentTypeFile] != 7 {
		t.Errorf("%v", kinds)
	}
	i := slices.IndexFunc(*bom.Components, func(c cdx.Component) bool { return c.Group == "@s" && c.Name == "a" && c.Version == "1.0.0" })
	if i < 0 {
		t.Fatalf("no component for the npm package:\n%s", b)
	}
	c := (*bom.Components)[i]
	if (*c.Hashes)[0] != (cdx.Hash{Algorithm: cdx.HashAlgoSHA256, Value: hex64}) || (*c.ExternalReferences)[0].URL != here+"/@s/a/-/a-1.0.0.tgz" {
		t.Errorf("%+v", c)
	}
}

func TestSPDX(t *testing.T) {
	b := inFormat(t, WriteSPDX, reportOf(t, sample()...))
	doc, err := spdxjson.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(doc); err != nil {
		t.Error(err)
	}
	if len(doc.Packages) != sampleDownloads || len(doc.Relationships) != sampleDownloads {
		t.Fatalf("%d packages, %d relationships", len(doc.Packages), len(doc.Relationships))
	}
	if doc.CreationInfo.Created != "2026-11-27T03:04:10Z" || !strings.HasPrefix(doc.DocumentNamespace, "urn:uuid:") {
		t.Errorf("%+v", doc)
	}
	described := map[string]bool{}
	for _, r := range doc.Relationships {
		if r.Relationship != "DESCRIBES" || r.RefA.ElementRefID != "DOCUMENT" {
			t.Errorf("%+v", r)
		}
		described[string(r.RefB.ElementRefID)] = true
	}
	sums := 0
	for _, p := range doc.Packages {
		if !described[string(p.PackageSPDXIdentifier)] || p.PackageDownloadLocation == "" || p.FilesAnalyzed || len(p.PackageExternalReferences) != 1 {
			t.Errorf("%+v", p)
		}
		sums += len(p.PackageChecksums)
	}
	if sums != 10 {
		t.Errorf("%d digests", sums)
	}
}

func TestSLSA(t *testing.T) {
	r := reportOf(t, sample()...)
	r.Subjects = append(r.Subjects, Subject{"b", sum64})
	var s intoto.Statement
	if err := protojson.Unmarshal(inFormat(t, WriteSLSA, r), &s); err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	if len(s.Subject) != 2 || s.Subject[1].Name != "b" || s.Subject[1].Digest["sha256"] != sum64 {
		t.Errorf("%v", s.Subject)
	}
	predicate, err := protojson.Marshal(s.Predicate)
	if err != nil {
		t.Fatal(err)
	}
	var p provenance.Provenance
	if err := protojson.Unmarshal(predicate, &p); err != nil {
		t.Fatal(err)
	}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	if s.PredicateType != "https://slsa.dev/provenance/v1" || p.BuildDefinition.BuildType != BuildType || p.RunDetails.Builder.Version["cachex"] != "1.2.3" {
		t.Errorf("%v", &p)
	}
	got := map[string]string{}
	for _, d := range p.BuildDefinition.ResolvedDependencies {
		got[d.Uri] = d.Digest["sha256"]
	}
	if len(p.BuildDefinition.ResolvedDependencies) != sampleDownloads || got["pkg:npm/%40s/a@1.0.0?"+fromIt] != hex64 {
		t.Errorf("%v", got)
	}
	if _, ok := got["git+"+here+"/o/r.git"]; !ok || len(got) != sampleDownloads-1 { // an index that has changed
		t.Errorf("%v", got)
	}
}

func TestProvenanceOfNothing(t *testing.T) {
	r := reportOf(t)
	r.Subjects = nil
	if err := WriteSLSA(&bytes.Buffer{}, r); err != ErrNoSubject {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "app.tar")
	if _, err := NewSubject(file); err == nil {
		t.Error("a file that is not there has a digest")
	}
	if err := os.WriteFile(file, []byte("a\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	const sum = "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7"
	if s, err := NewSubject(file); err != nil || s.SHA256 != sum || !strings.HasSuffix(s.Name, "/app.tar") {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := NewSubject(t.TempDir()); err == nil {
		t.Error("a folder has a digest")
	}
}
