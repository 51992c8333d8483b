package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// imports is the table of DESIGN: which of our packages each may import. Only
// the command joins sandbox, ca and proxy.
var imports = map[string][]string{
	"cachex/cmd/cachex/report": {},
	"cachex/cmd/cachex":        {"cachex/ca", "cachex/cmd/cachex/report", "cachex/proxy", "cachex/proxy/dns", "cachex/proxy/lock", "cachex/proxy/policy", "cachex/proxy/store", "cachex/sandbox", "cachex/sandbox/oci", "cachex/sandbox/podman"},
	"cachex/sandbox":           {},
	"cachex/sandbox/oci":       {"cachex/sandbox"},
	"cachex/sandbox/podman":    {"cachex/sandbox"},
	"cachex/ca":                {},
	"cachex/proxy":             {"cachex/proxy/lock", "cachex/proxy/mirror", "cachex/proxy/policy", "cachex/proxy/store"},
	"cachex/proxy/dns":         {},
	"cachex/proxy/lock":        {},
	"cachex/proxy/mirror":      {},
	"cachex/proxy/policy":      {},
	"cachex/proxy/store":       {},
}

func TestImportTable(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Name,Doc", "cachex/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for dec := json.NewDecoder(bytes.NewReader(out)); ; seen++ {
		var p struct {
			ImportPath, Name, Doc              string
			Imports, TestImports, XTestImports []string
		}
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		allowed, ok := imports[p.ImportPath]
		if !ok {
			t.Errorf("%s is not in the table", p.ImportPath)
		}
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		for _, i := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if strings.HasPrefix(i, "cachex/") && i != p.ImportPath && !slices.Contains(allowed, i) {
				t.Errorf("%s imports %s", p.ImportPath, i)
			}
		}
	}
	if seen != len(imports) {
		t.Errorf("%d packages in the tree, %d in the table", seen, len(imports))
	}
}

// TestHouseRules holds the sizes of STYLE and what the tools say.
func TestHouseRules(t *testing.T) {
	files := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if n := bytes.Count(b, []byte("\n")); n > 500 {
			t.Errorf("%s has %d lines, more than 500", path, n)
		}
		if strings.HasSuffix(path, "cmd/cachex/main.go") && bytes.Count(b, []byte("\n")) > 40 {
			t.Errorf("%s has more than 40 lines", path)
		}
		if !strings.HasSuffix(path, "_test.go") && bytes.Contains(b, []byte("\nfunc init()")) {
			t.Errorf("%s has an init function", path)
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files, %v", files, err)
	}
	for _, c := range [][]string{{"gofmt", "-l", "../.."}, {"go", "vet", "cachex/..."}, {"go", "mod", "tidy", "-diff"}} {
		// What go says on standard error is of its downloads, unless it fails.
		var stderr bytes.Buffer
		cmd := exec.Command(c[0], c[1:]...)
		cmd.Stderr = &stderr
		if out, err := cmd.Output(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s%s", strings.Join(c, " "), err, out, stderr.Bytes())
		}
	}
}
