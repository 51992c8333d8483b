package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cachex/sandbox"
)

// TestInsideContainers runs cachex in containers as podman makes them: with its
// default profile, with all privileges, and with what its hints name.
func TestInsideContainers(t *testing.T) {
	e := newEngine(t)
	root := usualRoot(t)
	root["/bin/cachex"] = []byte("-> cachex-test")
	e.add(t, testImage, root)
	for _, c := range []struct {
		name  string
		flags []string
		rungs []sandbox.Rung // one of these
		lacks []sandbox.Part
		says  string
	}{
		{"default", nil, []sandbox.Rung{sandbox.ByUser}, []sandbox.Part{sandbox.Processes}, "unmask /proc"},
		{"default, a user", []string{"--user=1000"}, []sandbox.Rung{sandbox.ByUser}, []sandbox.Part{sandbox.Processes}, "unmask /proc"},
		{"unmasked", []string{"--security-opt=unmask=ALL"}, []sandbox.Rung{sandbox.ByUser}, nil, ""},
		{"unmasked, a user", []string{"--security-opt=unmask=ALL", "--user=1000"}, []sandbox.Rung{sandbox.ByUser}, nil, ""},
		{"SYS_ADMIN", []string{"--cap-add=SYS_ADMIN,NET_ADMIN", "--security-opt=unmask=ALL"}, []sandbox.Rung{sandbox.ByRoot}, nil, ""},
		{"privileged", []string{"--privileged"}, []sandbox.Rung{sandbox.ByRoot}, nil, ""},
		{"read-only", []string{"--read-only", "--security-opt=unmask=ALL"}, []sandbox.Rung{sandbox.ByUser}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			o, err := startOrigin(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer o.close()
			if err := os.MkdirAll(filepath.Join(dir, "www/registry.example"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "www/registry.example/a-1.0.0.tgz"), []byte("one\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			bundle, err := os.ReadFile(o.bundle)
			if err != nil {
				t.Fatal(err)
			}
			args := append([]string{
				"run", "--rm", "-i", "--network=host", "--tmpfs=/cache:mode=1777", "--env=HTTP_PROXY=" + o.proxyURL(), "--env=HTTPS_PROXY=" + o.proxyURL(),
				"--env=SSL_CERT_FILE=/cache/bundle", "--env=SSL_CERT_DIR=/none", "--env=CACHEX_CACHE=/cache/kept",
			}, c.flags...)
			args = append(args, testImage, "sh", "-c", `cat >/cache/bundle
				cachex run --report text --report json=/cache/report -- fetch https://registry.example/a-1.0.0.tgz && cat /cache/report`)
			run := e.podman(args...)
			run.Stdin = strings.NewReader(string(bundle))
			var report strings.Builder
			run.Stderr = &report
			out, err := run.Output()
			if err != nil {
				t.Fatalf("%v\n%s%s", err, out, report.String())
			}
			body, rest, _ := strings.Cut(string(out), "\n")
			var got struct {
				Rung  sandbox.Rung
				Lacks []sandbox.Part
			}
			if err := json.Unmarshal([]byte(rest), &got); err != nil || body != "one" {
				t.Fatalf("%v\n%s%s", err, out, report.String())
			}
			if !slices.Contains(c.rungs, got.Rung) || !slices.Equal(got.Lacks, c.lacks) {
				t.Errorf("made by %q without %q\n%s", got.Rung, got.Lacks, report.String())
			}
			if c.says != "" && !strings.Contains(report.String(), c.says) || c.says == "" && strings.Contains(report.String(), "note:") {
				t.Errorf("says\n%s", report.String())
			}
		})
	}
}
