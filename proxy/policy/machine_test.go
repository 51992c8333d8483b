package policy

import (
	"net/http"
	"net/url"
	"testing"
)

func TestAboutMachine(t *testing.T) {
	for _, c := range []struct {
		url, field string
		want       bool
	}{
		{"http://169.254.169.254/latest/meta-data/", "", true},
		{"http://169.254.170.2/v2/credentials", "", true},
		{"http://[fe80::a9fe:a9fe%25eth0]/openstack", "", true},
		{"http://[fd00:ec2::254]/latest/meta-data/", "", true},
		{"http://[::ffff:169.254.169.254]:80/", "", true},
		{"http://metadata.example/computeMetadata/v1/", "Metadata-Flavor", true},
		{"http://metadata.example/metadata/instance", "Metadata", true},
		{"http://metadata.example/latest/", "X-Aws-Ec2-Metadata-Token", true},
		{"http://metadata.example/computeMetadata/v1/", "", false},
		{"http://169.254.169.254.registry.example/", "", false},
		{"http://192.0.2.1/latest/meta-data/", "", false},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		if c.field != "" {
			h.Set(c.field, "true")
		}
		if got := AboutMachine(u, h); got != c.want {
			t.Errorf("%s %s: %v", c.url, c.field, got)
		}
	}
}
