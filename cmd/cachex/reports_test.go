//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Whatever JSON report a script has made a run write, and each record that it left,
// is as report.schema.json says.

// reportSchema is compiled once for all scripts.
func reportSchema() func() (*jsonschema.Schema, error) {
	return sync.OnceValues(func() (*jsonschema.Schema, error) {
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		return c.Compile(filepath.Join("report", "report.schema.json"))
	})
}

// checkReports looks through a script's directory when it has ended, and gives the
// number of reports that it found.
func checkReports(dir string, schema func() (*jsonschema.Schema, error)) (int, error) {
	found := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		record := strings.HasSuffix(path, recordExt)
		if err != nil || !d.Type().IsRegular() || !record && filepath.Ext(path) != ".json" {
			return nil // a script may have made a folder that cannot be read
		}
		b, err := os.ReadFile(path)
		if err != nil || string(b) == "damaged\n" { // by a script
			return nil
		}
		if record {
			if b, err = unpacked(b); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
		if !record && !bytes.HasPrefix(b, []byte(`{"schema":1,"version"`)) {
			return nil // another format, or a report that a script has made up
		}
		found++
		s, err := schema()
		if err != nil {
			return err
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err == nil {
			err = s.Validate(v)
		}
		if err != nil {
			return fmt.Errorf("%s is not as the schema says: %w\n%s", path, err, b)
		}
		return nil
	})
	return found, err
}

func unpacked(b []byte) ([]byte, error) {
	r, err := zstd.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// checkReportsAfter has a script fail whose reports are wrong.
func checkReportsAfter(env *testscript.Env, schema func() (*jsonschema.Schema, error)) {
	env.Defer(func() {
		if _, err := checkReports(env.WorkDir, schema); err != nil {
			env.T().Fatal(err)
		}
	})
}

func TestCheckReports(t *testing.T) {
	dir := t.TempDir()
	good := `{"schema":1,"version":"1","command":["a"],"exit":0,"started":"2026-11-27T00:00:00Z","ms":1,"sandbox":"netns","rung":"user",` +
		`"policy":"artifacts","offline":false,"cache":"/c","totals":` + noCounts + `,"hosts":[],"exchanges":[]}`
	write := func(name, content string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a.json", good)
	write("b.json", `{"other":1}`)
	if n, err := checkReports(dir, reportSchema()); n != 1 || err != nil {
		t.Errorf("%d reports, %v", n, err)
	}
	write("c.json", strings.Replace(good, `"ms":1`, `"ms":"1"`, 1))
	if _, err := checkReports(dir, reportSchema()); err == nil || !strings.Contains(err.Error(), "c.json") {
		t.Errorf("a wrong report: %v", err)
	}
}

const noCounts = `{"requests":0,"hit":0,"revalidated":0,"stale":0,"miss":0,"pass":0,"tunnel":0,"refused":0,"error":0,"bytes_cache":0,"bytes_network":0,"saved_ms":0}`
