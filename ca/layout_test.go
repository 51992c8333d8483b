package ca

import (
	"strings"
	"testing"
)

// layout is a distribution's store and what has to become of it.
type layout struct {
	name    string
	files   map[string]string // beside those that every case has
	touched []string
	bundles []string // names that programs read, all of them
	bundle  string   // the one that variables name
	node    string
	hashed  []string // directories that OpenSSL reads
	anchors []string
	java    []string
	store   string // the Java store that variables name
}

// roots is replaced by the system's roots, javaRoots by a JKS store of others.
const (
	roots     = "ROOTS"
	javaRoots = "JAVA ROOTS"
)

func debian() layout {
	return layout{
		name: "Debian",
		files: map[string]string{
			"/etc/ssl/certs/ca-certificates.crt":               roots,
			"/etc/ssl/certs/0123abcd.0":                        link("Some_Root.pem"),
			"/etc/ssl/certs/java/cacerts":                      javaRoots,
			"/usr/lib/ssl/cert.pem":                            link("/etc/ssl/certs/ca-certificates.crt"),
			"/usr/lib/ssl/certs":                               link("/etc/ssl/certs"),
			"/usr/lib/jvm/java-17/lib/security/cacerts":        link("/etc/ssl/certs/java/cacerts"),
			"/usr/lib/jvm/default-java":                        link("java-17"),
			"/opt/jdk-8/jre/lib/security/cacerts":              javaRoots,
			"/home/u/.sdkman/candidates/java/25/lib/security/": "",
			"/home/u/.sdkman/candidates/java/current":          link("25"),
			"/home/u/.jdks/temurin/lib/security/cacerts":       javaRoots,
			"/usr/local/share/ca-certificates/":                "",
		},
		touched: []string{
			"/etc/ssl/certs: HASH.0, ca-certificates.crt, cachex-node.pem, cachex.pem, java/cacerts",
			"/home/u/.jdks/temurin/lib/security: cacerts",
			"/opt/jdk-8/jre/lib/security: cacerts",
			"/usr/local/share/ca-certificates: cachex-user-1.crt, cachex.crt",
		},
		bundles: []string{"/etc/ssl/certs/ca-certificates.crt", "/usr/lib/ssl/cert.pem"},
		bundle:  "/etc/ssl/certs/ca-certificates.crt",
		node:    "/etc/ssl/certs/cachex-node.pem",
		hashed:  []string{"/etc/ssl/certs", "/usr/lib/ssl/certs"},
		anchors: []string{"/usr/local/share/ca-certificates"},
		java: []string{
			"/etc/ssl/certs/java/cacerts", "/usr/lib/jvm/default-java/lib/security/cacerts",
			"/opt/jdk-8/jre/lib/security/cacerts", "/home/u/.jdks/temurin/lib/security/cacerts",
		},
		store: "/etc/ssl/certs/java/cacerts",
	}
}

func fedora() layout {
	const pem = "/etc/pki/ca-trust/extracted/pem"
	return layout{
		name: "Fedora",
		files: map[string]string{
			pem + "/tls-ca-bundle.pem":                  roots,
			pem + "/directory-hash/0123abcd.0":          link("Some_Root.pem"),
			"/etc/pki/ca-trust/extracted/java/cacerts":  javaRoots,
			"/etc/pki/ca-trust/source/anchors/":         "",
			"/etc/pki/java/cacerts":                     link(pem + "/../java/cacerts"),
			"/etc/pki/tls/cert.pem":                     link(pem + "/tls-ca-bundle.pem"),
			"/etc/pki/tls/certs/ca-bundle.crt":          link(pem + "/tls-ca-bundle.pem"),
			"/etc/ssl/certs":                            link("../pki/tls/certs"),
			"/usr/lib/jvm/java-21/lib/security/cacerts": link("/etc/pki/java/cacerts"),
		},
		touched: []string{
			"/etc/pki/ca-trust/extracted/java: cacerts",
			pem + ": cachex-node.pem, directory-hash/HASH.0, directory-hash/cachex.pem, tls-ca-bundle.pem",
			"/etc/pki/ca-trust/source/anchors: cachex-user-1.crt, cachex.crt",
			"/etc/pki/tls/certs: HASH.0, cachex.pem",
		},
		bundles: []string{pem + "/tls-ca-bundle.pem", "/etc/pki/tls/cert.pem", "/etc/ssl/certs/ca-bundle.crt"},
		bundle:  pem + "/tls-ca-bundle.pem",
		node:    pem + "/cachex-node.pem",
		hashed:  []string{pem + "/directory-hash", "/etc/ssl/certs", "/etc/pki/tls/certs"},
		anchors: []string{"/etc/pki/ca-trust/source/anchors"},
		java:    []string{"/etc/pki/java/cacerts", "/usr/lib/jvm/java-21/lib/security/cacerts"},
		store:   "/etc/pki/ca-trust/extracted/java/cacerts",
	}
}

// alpine has no JDK: those that come during the build are given a store.
func alpine(cert string) layout {
	l := layout{
		name: "Alpine",
		files: map[string]string{
			"/etc/ssl/certs/ca-certificates.crt": roots,
			"/etc/ssl/cert.pem":                  cert,
			"/usr/local/share/ca-certificates/":  "",
		},
		touched: []string{
			"/etc/ssl/certs: HASH.0, ca-certificates.crt, cachex-node.pem, cachex.pem, java/cacerts",
			"/usr/local/share/ca-certificates: cachex-user-1.crt, cachex.crt",
		},
		bundles: []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"},
		bundle:  "/etc/ssl/certs/ca-certificates.crt",
		node:    "/etc/ssl/certs/cachex-node.pem",
		hashed:  []string{"/etc/ssl/certs"},
		anchors: []string{"/usr/local/share/ca-certificates"},
		store:   "/etc/ssl/certs/java/cacerts",
	}
	if cert == roots {
		l.name = "Alpine, cert.pem is a copy"
		l.touched[0] = "/etc/ssl: cert.pem, certs/HASH.0, certs/ca-certificates.crt, certs/cachex-node.pem, " +
			"certs/cachex.pem, certs/java/cacerts"
	}
	return l
}

func opensuse() layout {
	const dir = "/var/lib/ca-certificates"
	return layout{
		name: "openSUSE",
		files: map[string]string{
			dir + "/ca-bundle.pem":                        roots,
			dir + "/pem/0123abcd.0":                       link("Some_Root.pem"),
			dir + "/openssl/0123abcd.0":                   link("Some_Root.pem"),
			dir + "/java-cacerts":                         javaRoots,
			"/etc/ssl/ca-bundle.pem":                      link("/var/lib/ca-certificates/ca-bundle.pem"),
			"/etc/ssl/certs":                              link("/var/lib/ca-certificates/pem"),
			"/etc/pki/trust/anchors/":                     "",
			"/usr/lib64/jvm/java-17/lib/security/cacerts": link("/var/lib/ca-certificates/java-cacerts"),
		},
		touched: []string{
			"/etc/pki/trust/anchors: cachex-user-1.crt, cachex.crt",
			dir + ": ca-bundle.pem, cachex-node.pem, java-cacerts, openssl/HASH.0, openssl/cachex.pem, pem/HASH.0, pem/cachex.pem",
		},
		bundles: []string{dir + "/ca-bundle.pem", "/etc/ssl/ca-bundle.pem"},
		bundle:  dir + "/ca-bundle.pem",
		node:    dir + "/cachex-node.pem",
		hashed:  []string{"/etc/ssl/certs", dir + "/openssl"},
		anchors: []string{"/etc/pki/trust/anchors"},
		java:    []string{dir + "/java-cacerts", "/usr/lib64/jvm/java-17/lib/security/cacerts"},
		store:   dir + "/java-cacerts",
	}
}

func arch() layout {
	const dir = "/etc/ca-certificates/extracted"
	return layout{
		name: "Arch",
		files: map[string]string{
			dir + "/tls-ca-bundle.pem":                   roots,
			dir + "/cadir/0123abcd.0":                    link("Some_Root.pem"),
			dir + "/java-cacerts.jks":                    javaRoots,
			"/etc/ca-certificates/trust-source/anchors/": "",
			"/etc/ssl/cert.pem":                          link("../ca-certificates/extracted/tls-ca-bundle.pem"),
			"/etc/ssl/certs/ca-certificates.crt":         link("../../ca-certificates/extracted/tls-ca-bundle.pem"),
			"/etc/ssl/certs/java/cacerts":                link("../../../ca-certificates/extracted/java-cacerts.jks"),
			"/usr/lib/jvm/java-21/lib/security/cacerts":  link("/etc/ssl/certs/java/cacerts"),
		},
		touched: []string{
			dir + ": cadir/HASH.0, cadir/cachex.pem, java-cacerts.jks, tls-ca-bundle.pem",
			"/etc/ca-certificates/trust-source/anchors: cachex-user-1.crt, cachex.crt",
			"/etc/ssl/certs: HASH.0, cachex-node.pem, cachex.pem",
		},
		bundles: []string{"/etc/ssl/certs/ca-certificates.crt", dir + "/tls-ca-bundle.pem", "/etc/ssl/cert.pem"},
		bundle:  "/etc/ssl/certs/ca-certificates.crt",
		node:    "/etc/ssl/certs/cachex-node.pem",
		hashed:  []string{"/etc/ssl/certs", dir + "/cadir"},
		anchors: []string{"/etc/ca-certificates/trust-source/anchors"},
		java:    []string{dir + "/java-cacerts.jks", "/usr/lib/jvm/java-21/lib/security/cacerts"},
		store:   "/etc/ssl/certs/java/cacerts",
	}
}

func nixos() layout {
	const store = "/nix/store/0abc-nss-cacert/etc/ssl/certs"
	return layout{
		name: "NixOS",
		files: map[string]string{
			store + "/ca-bundle.crt":             roots,
			"/nix/store/1abc-etc/etc/ssl/bundle": link(store + "/ca-bundle.crt"),
			"/etc/static":                        link("/nix/store/1abc-etc/etc"),
			"/etc/ssl/certs/ca-certificates.crt": link("/etc/static/ssl/bundle"),
		},
		touched: []string{
			"/etc/ssl/certs: HASH.0, cachex-node.pem, cachex.pem, java/cacerts",
			store + ": ca-bundle.crt",
		},
		bundles: []string{"/etc/ssl/certs/ca-certificates.crt"},
		bundle:  "/etc/ssl/certs/ca-certificates.crt",
		node:    "/etc/ssl/certs/cachex-node.pem",
		hashed:  []string{"/etc/ssl/certs"},
		store:   "/etc/ssl/certs/java/cacerts",
	}
}

func TestLayouts(t *testing.T) {
	for _, l := range []layout{
		debian(), fedora(), alpine(link("certs/ca-certificates.crt")), alpine(roots), opensuse(), arch(), nixos(),
	} {
		t.Run(l.name, func(t *testing.T) {
			system, java, extra := newPEM(t)+newPEM(t), newPEM(t), newPEM(t)
			for name, content := range l.files {
				content = strings.ReplaceAll(content, javaRoots, jks(t, javaPassword, java))
				l.files[name] = strings.ReplaceAll(content, roots, system)
			}
			l.files["/home/u/extra.pem"] = extra
			m := newMachine(t, l.files).build("HOME=/home/u", "NODE_EXTRA_CA_CERTS=/home/u/extra.pem")
			m.wantTouched(l.touched...)
			for _, name := range l.bundles {
				m.wantPEM(name, system, extra, m.own)
			}
			for _, dir := range l.hashed {
				m.wantPEM(dir+"/"+m.hash+".0", m.own)
			}
			for _, dir := range l.anchors {
				m.wantPEM(dir+"/cachex.crt", m.own)
				m.wantPEM(dir+"/cachex-user-1.crt", extra)
			}
			for _, name := range l.java {
				m.wantJava(name, java, extra, m.own)
			}
			if len(l.java) == 0 {
				m.wantJava(l.store, system, extra, m.own)
			}
			for _, name := range bundleVariables() {
				m.wantEnv(name, l.bundle)
			}
			m.wantEnv("NODE_EXTRA_CA_CERTS", l.node)
			m.wantPEM(l.node, extra, m.own)
			m.wantEnv("JAVA_TOOL_OPTIONS", "-Djavax.net.ssl.trustStore="+l.store)
		})
	}
}
