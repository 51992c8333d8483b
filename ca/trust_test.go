//go:build unix

package ca

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// small is a machine with Debian's bundle alone, and a user's file.
func small(t *testing.T, more map[string]string) (m *machine, system, extra string) {
	t.Helper()
	system, extra = newPEM(t), newPEM(t)
	files := map[string]string{debianBundle: system, "/home/u/extra.pem": extra}
	for name, content := range more {
		files[name] = content
	}
	return newMachine(t, files), system, extra
}

const debianBundle = "/etc/ssl/certs/ca-certificates.crt"

// always are the variables that every build gets: ECOSYSTEMS 1.5.
func always() []string {
	return []string{
		"AWS_CA_BUNDLE", "BUNDLE_SSL_CA_CERT", "CARGO_HTTP_CAINFO", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", "CURL_CA_BUNDLE",
		"DENO_TLS_CA_STORE", "GIT_SSL_CAINFO", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "HEX_CACERTS_PATH", "HTTPLIB2_CA_CERTS",
		"JAVA_TOOL_OPTIONS", "JULIA_SSL_CA_ROOTS_PATH", "NIX_SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "NODE_USE_SYSTEM_CA",
		"PERL_LWP_SSL_CA_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS",
	}
}

func TestVariablesOfAnyBuild(t *testing.T) {
	m, system, _ := small(t, nil)
	m.build()
	var names []string
	for _, kv := range m.trust.Env {
		name, value, _ := strings.Cut(kv, "=")
		names = append(names, name)
		if value == "" {
			t.Errorf("%s is empty", name)
		}
	}
	want := always()
	slices.Sort(names)
	if !slices.Equal(names, want) {
		t.Errorf("variables\n%q, want\n%q", names, want)
	}
	// Each of these breaks programs, or verification itself: ECOSYSTEMS 1.5.
	for _, name := range []string{
		"YARN_CAFILE", "YARN_HTTPS_CA_FILE_PATH", "NODE_OPTIONS", "NODE_TLS_REJECT_UNAUTHORIZED", "SSL_CERT_DIR",
		"npm_config_cafile", "NPM_CONFIG_CAFILE", "GIT_SSL_NO_VERIFY", "PYTHONHTTPSVERIFY", "DENO_CERT",
	} {
		if m.sets(name) {
			t.Errorf("%s is set", name)
		}
	}
	m.wantPEM(m.env.get("SSL_CERT_FILE"), system, m.own)
	m.wantPEM(m.env.get("NODE_EXTRA_CA_CERTS"), m.own)
	m.wantEnv("NODE_USE_SYSTEM_CA", "1")
	m.wantEnv("DENO_TLS_CA_STORE", "system,mozilla")
}

// What the user named by any variable is trusted by all programs, and the
// variable names a file that holds everything.
func TestUserFiles(t *testing.T) {
	for _, name := range slices.Concat(bundleVariables(), userVariables(), []string{nodeVariable}) {
		m, system, extra := small(t, map[string]string{"/home/u/link.pem": link("extra.pem")})
		m.build("YARN_CAFILE=", "HOME=/home/u", name+"=/home/u/link.pem")
		m.wantPEM(debianBundle, system, extra, m.own)
		m.wantJava(debianJava, system, extra, m.own)
		m.wantPEM("/home/u/extra.pem", extra)
		node := []string{m.own}
		if name == nodeVariable {
			node = append(node, extra)
		} else {
			m.wantEnv(name, debianBundle)
		}
		m.wantPEM(m.env.get(nodeVariable), node...)
		if unused := "YARN_CAFILE"; name != unused && m.sets(unused) {
			t.Errorf("%s: %s is set", name, unused)
		}
	}
}

func TestUserFilesTogether(t *testing.T) {
	a, b, c := newPEM(t), newPEM(t), newPEM(t)
	m, system, extra := small(t, map[string]string{"/u/a": a + b, "/u/b": strings.TrimSpace(b), "/u/c": "# c\r\n" + c})
	m.build("SSL_CERT_FILE=/u/a", "REQUESTS_CA_BUNDLE=/u/b", "PIP_CERT=/home/u/extra.pem", "PIP_CERT=/u/c",
		"NODE_EXTRA_CA_CERTS=/u/a", "CURL_CA_BUNDLE="+debianBundle)
	m.wantPEM(debianBundle, system, a, b, c, m.own) // the last PIP_CERT counts
	m.wantPEM(m.env.get("NODE_EXTRA_CA_CERTS"), a, b, m.own)
	for name, path := range map[string]string{"SSL_CERT_FILE": debianBundle, "PIP_CERT": debianBundle, "CURL_CA_BUNDLE": debianBundle} {
		m.wantEnv(name, path)
	}
	if sameCertificates(m.read(debianBundle), system, a, b, c, m.own, extra) {
		t.Error("a variable that another entry replaces is used")
	}
}

// A user who gives Node the system's bundle gets the merged one.
func TestNodeWithSystemBundle(t *testing.T) {
	m, system, _ := small(t, map[string]string{"/u/roots.pem": link(debianBundle)})
	m.build("NODE_EXTRA_CA_CERTS=/u/roots.pem")
	m.wantEnv("NODE_EXTRA_CA_CERTS", debianBundle)
	m.wantPEM(m.env.get("NODE_EXTRA_CA_CERTS"), system, m.own)
}

// A key beside the certificates is for its owner alone, the build's files are for all.
func TestKeysStayWhereTheyAre(t *testing.T) {
	key := "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
	mine := newPEM(t)
	m, _, _ := small(t, map[string]string{"/u/both.pem": key + mine})
	m.build("NODE_EXTRA_CA_CERTS=/u/both.pem", "SSL_CERT_FILE=/u/both.pem")
	m.wantPEM(m.env.get("NODE_EXTRA_CA_CERTS"), mine, m.own)
	for _, tree := range m.trust.Trees {
		for _, f := range tree.Files {
			if strings.Contains(string(f.Data), "PRIVATE") {
				t.Errorf("%s holds the key", f.Name)
			}
		}
	}
}

// What cannot be read adds nothing and fails nothing.
func TestValuesThatAreNoFile(t *testing.T) {
	for _, value := range []string{"/missing.pem", "/home/u", "/home/u/dangling", "/home/u/loop", "/home/u/huge", "true", "no/such.pem"} {
		m, system, _ := small(t, map[string]string{"/home/u/dangling": link("/gone"), "/home/u/loop": link("loop")})
		huge(t, filepath.Join(m.root, "home/u/huge"))
		m.build("SSL_CERT_FILE="+value, "NODE_EXTRA_CA_CERTS="+value, "CONDA_SSL_VERIFY="+value, "YARN_CAFILE="+value)
		m.wantPEM(debianBundle, system, m.own)
		m.wantEnv("SSL_CERT_FILE", debianBundle)
		m.wantPEM(m.env.get("NODE_EXTRA_CA_CERTS"), m.own)
		if m.sets("CONDA_SSL_VERIFY") || m.sets("YARN_CAFILE") {
			t.Errorf("%s: the user's own values are replaced: %q", value, m.trust.Env)
		}
	}
}

// huge makes a file beyond what is read, without its bytes.
func huge(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(newPEM(t)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxFile+1); err != nil {
		t.Fatal(err)
	}
}

// A relative path is the working directory's, in variables of every kind.
func TestRelativePaths(t *testing.T) {
	cwd, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(cwd)
	dir, one, two, jdk := newPEM(t), newPEM(t), newPEM(t), newPEM(t)
	m, system, _ := small(t, map[string]string{
		cwd + "/x/one.pem": one, cwd + "/certs/a.pem": dir, cwd + "/two.jks": jks(t, "pass", two),
		cwd + "/jdk/lib/security/cacerts": jks(t, javaPassword, jdk),
	})
	m.build("SSL_CERT_FILE=x/one.pem", "DENO_CERT=./x/one.pem", "SSL_CERT_DIR=certs", "JAVA_HOME=jdk",
		"MAVEN_OPTS=-Djavax.net.ssl.trustStore=two.jks")
	m.wantPEM(debianBundle, system, one, m.own)
	m.wantEnv("SSL_CERT_FILE", debianBundle)
	m.wantEnv("DENO_CERT", debianBundle)
	m.wantPEM(cwd+"/certs/"+m.hash+".0", m.own)
	m.wantJava(cwd+"/jdk/lib/security/cacerts", jdk, one, two, m.own)
	m.wantEnv("JAVA_TOOL_OPTIONS", "-Djavax.net.ssl.trustStore="+cwd+"/jdk/lib/security/cacerts")
}

func TestUserDirectories(t *testing.T) {
	mine := newPEM(t)
	m, system, _ := small(t, map[string]string{
		"/home/u/certs/0123abcd.0": mine, "/home/u/other": link("more"), "/home/u/more/": "", "/home/u/file": mine,
	})
	m.build("HOME=/home/u", "SSL_CERT_DIR=/home/u/certs/:/home/u/other::/missing:/home/u/file")
	m.wantPEM(debianBundle, system, m.own)
	m.wantTouched(
		"/etc/ssl/certs: HASH.0, ca-certificates.crt, cachex-node.pem, cachex.pem, java/cacerts",
		"/home/u/certs: HASH.0, cachex.pem",
		"/home/u/more: HASH.0, cachex.pem",
	)
	m.wantPEM("/home/u/certs/0123abcd.0", mine)
	if m.sets("SSL_CERT_DIR") {
		t.Error("SSL_CERT_DIR is replaced")
	}
}

// A private copy loses what is written into it, which must not be the build's
// work.
func TestWorkIsNoStore(t *testing.T) {
	cwd, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(cwd)
	for _, dir := range []string{"/", "/home", "/home/u", "/var/home", "/var/home/u/", "/u", cwd, filepath.Dir(cwd), ".", ".."} {
		m := newMachine(t, map[string]string{
			debianBundle: newPEM(t), "/var/home/u/": "", "/home": link("var/home"), "/u": link("home/u"), cwd + "/": "",
		})
		m.build("HOME=/home/u", "SSL_CERT_DIR="+dir)
		m.wantTouched("/etc/ssl/certs: HASH.0, ca-certificates.crt, cachex-node.pem, cachex.pem, java/cacerts")
	}
}
