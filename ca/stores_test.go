//go:build unix

package ca

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"software.sslmate.com/src/go-pkcs12"
)

// Without a store there is no place for ours. What programs were told stays.
func TestNoStore(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"nothing":       {},
		"file for dir":  {"/etc/pki/tls/certs": "text", "/usr/local/share/ca-certificates": "text"},
		"dangling":      {"/etc/ssl": link("/gone"), "/etc/pki/tls/cert.pem": link("/gone")},
		"loop":          {"/etc/ssl": link("ssl"), "/etc/pki": link("../etc/pki")},
		"JDK with text": {"/usr/lib/jvm/java-17/lib/security/cacerts": "text"},
	} {
		files["/home/u/extra.pem"] = newPEM(t)
		m := newMachine(t, files).build("SSL_CERT_FILE=/home/u/extra.pem", "JAVA_TOOL_OPTIONS=-Xmx1g")
		if len(m.trust.Trees) != 0 {
			t.Errorf("%s: trees %v", name, m.trust.Trees)
		}
		if !slices.Equal(m.trust.Env, switches()) {
			t.Errorf("%s: variables %q", name, m.trust.Env)
		}
	}
}

// A directory without a bundle is given one.
func TestDirectoryWithoutBundle(t *testing.T) {
	for dir, touched := range map[string][]string{
		"/etc/ssl/certs": {"/etc/ssl/certs: HASH.0, ca-certificates.crt, cachex-node.pem, cachex.pem, java/cacerts"},
		"/etc/ssl":       {"/etc/ssl: ca-certificates.crt, cachex-node.pem, java/cacerts"},
		"/etc/pki/tls/certs": {
			"/etc/pki/tls/certs: HASH.0, ca-certificates.crt, cachex-node.pem, cachex.pem, java/cacerts",
		},
	} {
		extra := newPEM(t)
		m := newMachine(t, map[string]string{dir + "/": "", "/home/u/extra.pem": extra}).build("PIP_CERT=/home/u/extra.pem")
		m.wantTouched(touched...)
		m.wantEnv("SSL_CERT_FILE", dir+"/ca-certificates.crt")
		m.wantPEM(dir+"/ca-certificates.crt", extra, m.own)
		m.wantPEM(m.env.get("NODE_EXTRA_CA_CERTS"), m.own)
		m.wantJava(dir+"/java/cacerts", extra, m.own)
	}
}

// An empty bundle is one.
func TestEmptyBundle(t *testing.T) {
	m := newMachine(t, map[string]string{debianBundle: ""}).build()
	m.wantPEM(debianBundle, m.own)
	m.wantEnv("SSL_CERT_FILE", debianBundle)
}

// A bundle that can't be read is not replaced by one that holds less; another
// that can is used. A privileged user may read any file, so the cases do without
// modes.
func TestUnreadableBundle(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"directory": func(p string) error { return os.Mkdir(p, 0o755) },
		"pipe":      func(p string) error { return syscall.Mkfifo(p, 0o644) },
		"loop":      func(p string) error { return os.Symlink(filepath.Base(p), p) },
		"huge":      func(p string) error { huge(t, p); return nil },
	} {
		system := newPEM(t)
		for _, other := range []string{"", "/etc/ssl/cert.pem"} {
			files := map[string]string{"/etc/ssl/certs/": "", "/etc/pki/tls/certs/": ""}
			if other != "" {
				files[other] = system
			}
			m := newMachine(t, files)
			bad := filepath.Join(m.root, debianBundle)
			if err := spoil(bad); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(bad)
			m.build()
			if after, err := os.Lstat(bad); err != nil || !os.SameFile(before, after) || after.Size() != before.Size() {
				t.Errorf("%s: the bundle is replaced, %v", name, err)
			}
			if other != "" {
				m.wantEnv("SSL_CERT_FILE", other)
				m.wantPEM(other, system, m.own)
			}
		}
	}
}

// A name for which its link's target is missing is free.
func TestDanglingBundle(t *testing.T) {
	m := newMachine(t, map[string]string{debianBundle: link("/gone")}).build()
	m.wantEnv("SSL_CERT_FILE", debianBundle)
	m.wantPEM(debianBundle, m.own)
}

func TestBadJavaStores(t *testing.T) {
	const good, bad = "/usr/lib/jvm/b/lib/security/cacerts", debianJava
	one := newPEM(t)
	for name, store := range map[string]string{
		"text":      "not a store",
		"cut":       jks(t, javaPassword, one)[:99],
		"encrypted": p12(t, pkcs12.Modern, "s3cret", one),
		"link":      link("cacerts"),
	} {
		for _, more := range []bool{false, true} {
			files := map[string]string{bad: store}
			if more {
				files[good] = jks(t, javaPassword, one)
			}
			m, system, _ := small(t, files)
			m.build()
			if got, err := os.ReadFile(filepath.Join(m.root, bad)); name != "link" && (err != nil || string(got) != store) {
				t.Errorf("%s: the store is replaced, %v", name, err)
			}
			m.wantPEM(debianBundle, system, m.own)
			if more {
				m.wantEnv("JAVA_TOOL_OPTIONS", javaTrustStore+good)
				m.wantJava(good, one, m.own)
			} else {
				m.wantEnv("JAVA_TOOL_OPTIONS", javaTrustStore+"/etc/ssl/certs/cachex/cacerts")
				m.wantJava("/etc/ssl/certs/cachex/cacerts", system, m.own)
			}
		}
	}
}

// What is at the place of Java's directory decides where a new store goes.
func TestJavaDirectory(t *testing.T) {
	const rest = "/etc/ssl/certs: HASH.0, ca-certificates.crt, cachex-node.pem, cachex.pem"
	for _, c := range []struct {
		name    string
		files   map[string]string
		store   string
		touched []string
	}{
		{"none", nil, debianJava, []string{rest + ", java/cacerts"}},
		{"directory", map[string]string{"/etc/ssl/certs/java/": ""}, debianJava, []string{rest + ", java/cacerts"}},
		{
			"link", map[string]string{"/etc/ssl/certs/java": link("/var/lib/java"), "/var/lib/java/": ""},
			debianJava, []string{rest, "/var/lib/java: cacerts"},
		},
		{
			"link that leads nowhere", map[string]string{"/etc/ssl/certs/java": link("/var/lib/java"), "/var/lib/": ""},
			"/etc/ssl/certs/cachex/cacerts", []string{"/etc/ssl/certs: HASH.0, ca-certificates.crt, cachex-node.pem, cachex.pem, cachex/cacerts"},
		},
		{
			"file", map[string]string{"/etc/ssl/certs/java": "text"},
			"/etc/ssl/certs/cachex/cacerts", []string{"/etc/ssl/certs: HASH.0, ca-certificates.crt, cachex-node.pem, cachex.pem, cachex/cacerts"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, system, _ := small(t, c.files)
			m.build()
			m.wantTouched(c.touched...)
			m.wantEnv("JAVA_TOOL_OPTIONS", javaTrustStore+c.store)
			m.wantJava(c.store, system, m.own)
		})
	}
}

// A path with a blank would end every JVM that reads JAVA_TOOL_OPTIONS.
func TestJavaHomeWithBlank(t *testing.T) {
	const store = "/home/u/my jdk/lib/security/cacerts"
	one := newPEM(t)
	m, system, _ := small(t, map[string]string{store: jks(t, javaPassword, one)})
	m.build("JAVA_HOME=/home/u/my jdk")
	m.wantJava(store, one, m.own)
	m.wantEnv("JAVA_TOOL_OPTIONS", javaTrustStore+debianJava)
	m.wantJava(debianJava, system, m.own)
}

const debianJava = "/etc/ssl/certs/java/cacerts"

func TestJavaOptions(t *testing.T) {
	mine := newPEM(t)
	plain, secret := jks(t, javaPassword, mine), p12(t, pkcs12.Modern, "s3cret", mine)
	usual := p12(t, pkcs12.Modern, javaPassword, mine)
	const ours = javaTrustStore + debianJava
	for _, c := range []struct {
		store     string // at /u/s
		name, was string
		is        string // "" means that it is not set
		merged    bool
	}{
		{plain, "JAVA_TOOL_OPTIONS", "-Xmx1g  -Dx=y", "-Xmx1g -Dx=y " + ours, false},
		{plain, "MAVEN_OPTS", "-Xmx1g", "", false},
		{plain, "JAVA_TOOL_OPTIONS", javaTrustStore + "/u/s", ours, true},
		{plain, "MAVEN_OPTS", "-Xmx1g " + javaTrustStore + "/u/s -Dx=y", "-Xmx1g -Dx=y " + ours, true},
		{secret, "GRADLE_OPTS", javaTrustStore + "/u/s " + javaTrustPassword + "s3cret -Djavax.net.ssl.trustStoreType=PKCS12", ours, true},
		{secret, "_JAVA_OPTIONS", javaTrustPassword + `"s3cret" ` + javaTrustStore + `"/u/s"`, ours, true},
		{secret, "JAVA_OPTS", javaTrustStore + "/u/s " + javaTrustPassword + "wrong", ours, false},
		{usual, "JAVA_OPTS", javaTrustStore + "/u/s", ours, true},
		{plain, "SBT_OPTS", javaTrustStore + "/u/missing", ours, false},
		{"text", "JDK_JAVA_OPTIONS", javaTrustStore + "/u/s", ours, false},
		{plain, "MAVEN_OPTS", javaTrustStore + "/u/missing " + javaTrustStore + "/u/s", ours, true},
		{plain, "MAVEN_OPTS", `-Dx="a  b" "` + javaTrustStore + `/u/s"`, `-Dx="a  b" ` + ours, true},
		{plain, "JAVA_TOOL_OPTIONS", javaTrustStore + `'/u/a b' -Dx=y`, "-Dx=y " + ours, true},
		{plain, "JAVA_TOOL_OPTIONS", `'-Dx=a -Djavax.net.ssl.trustStore=/u/s'`, `'-Dx=a -Djavax.net.ssl.trustStore=/u/s' ` + ours, false},
		{plain, "MAVEN_OPTS", "-Djavax.net.ssl.keyStore=/u/s", "", false},
	} {
		m, system, _ := small(t, map[string]string{"/u/s": c.store, "/u/a b": c.store})
		m.build(c.name + "=" + c.was)
		if c.is == "" {
			c.is = c.was
			if m.sets(c.name) {
				t.Errorf("%s is set in vain", c.name)
			}
		}
		m.wantEnv(c.name, c.is)
		want := []string{system, m.own}
		if c.merged {
			want = append(want, mine)
		}
		m.wantJava(debianJava, want...)
		m.wantPEM(debianBundle, system, m.own)
		if !strings.HasSuffix(m.env.get("JAVA_TOOL_OPTIONS"), ours) {
			t.Errorf("%s: JAVA_TOOL_OPTIONS is %q", c.name, m.env.get("JAVA_TOOL_OPTIONS"))
		}
		if got := string(m.read("/u/s")); got != c.store {
			t.Errorf("%s: the user's store is changed", c.name)
		}
	}
}

func TestRoots(t *testing.T) {
	user, other := newAuthority(t), newAuthority(t)
	file := filepath.Join(t.TempDir(), "user.pem")
	if err := os.WriteFile(file, user.PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	pool, err := Roots([]string{"PIP_CERT=/missing.pem", "NODE_EXTRA_CA_CERTS=" + file})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		a    *Authority
		want bool
	}{{user, true}, {other, false}} {
		leaf, err := c.a.Certificate("registry.example")
		if err != nil {
			t.Fatal(err)
		}
		_, err = leaf.Leaf.Verify(x509.VerifyOptions{DNSName: "registry.example", Roots: pool})
		if (err == nil) != c.want {
			t.Errorf("trusted: %v, want %v", err, c.want)
		}
	}
}
