package ca

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"slices"
	"testing"
)

func der(text string) string {
	block, _ := pem.Decode([]byte(text))
	return base64.StdEncoding.EncodeToString(block.Bytes)
}

func TestBrowsers(t *testing.T) {
	theirs, more := der(newPEM(t)), der(newPEM(t))
	const managed = "/etc/chromium/policies/managed"
	for name, c := range map[string]struct {
		files   map[string]string
		touched []string
		more    []string // certificates beside ours
	}{
		"no browser": {
			files: map[string]string{"/etc/hosts": ""},
		},
		"no policies": {
			files:   map[string]string{"/etc/chromium/": ""},
			touched: []string{"/etc/chromium: policies/managed/zzz-cachex.json"},
		},
		"policies of an administrator": {
			files: map[string]string{
				managed + "/a.json":      `{"HomepageLocation": "https://registry.example", "CACertificates": ["` + theirs + `"]}`,
				managed + "/b.json":      `{"CACertificates": ["` + theirs + `", "` + more + `"]}`,
				managed + "/broken.json": `{"CACertificates"`,
				managed + "/list.json":   `[]`,
				managed + "/other.txt":   `{"CACertificates": ["AAAA"]}`,
			},
			touched: []string{managed + ": zzz-cachex.json"},
			more:    []string{theirs, more},
		},
		"policies elsewhere": {
			files: map[string]string{
				"/etc/chromium/policies":   link("/srv/policies"),
				"/srv/policies/recommend/": "",
				"/srv/policies/managed/":   "",
			},
			touched: []string{"/srv/policies/managed: zzz-cachex.json"},
		},
		"policies nowhere": {
			files: map[string]string{"/etc/chromium/policies": link("/etc/missing")},
		},
		"a file": {
			files: map[string]string{"/etc/chromium/policies": "text"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, c.files).build()
			m.wantTouched(c.touched...)
			if len(c.touched) == 0 {
				return
			}
			var policy map[string][]string
			if err := json.Unmarshal(m.read(managed+"/zzz-cachex.json"), &policy); err != nil {
				t.Fatal(err)
			}
			if want := append(c.more, der(m.own)); len(policy) != 1 || !slices.Equal(policy["CACertificates"], want) {
				t.Errorf("the policy is %v, want %v", policy, want)
			}
		})
	}
}
