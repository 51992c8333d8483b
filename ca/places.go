package ca

// Where the distributions keep what programs trust. Each list is probed; names
// that lead to one file count once. Sources: ECOSYSTEMS of the project, the
// lists in Go's crypto/x509 (root_linux.go) and Rust's openssl-probe.

// bundles are PEM files of all roots. The first that exists is what variables
// point at.
func bundles() []string {
	return []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Alpine, Arch, NixOS
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
		"/var/lib/ca-certificates/ca-bundle.pem",            // openSUSE
		"/etc/ca-certificates/extracted/tls-ca-bundle.pem",  // Arch
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem",
		"/etc/pki/tls/cacert.pem",
		"/etc/pki/tls/cert.pem",
		"/etc/ssl/cert.pem",
		"/etc/ssl/certs/cacert.pem",
		"/usr/lib/ssl/cert.pem",
		"/usr/local/ssl/cert.pem",
		"/opt/etc/ssl/certs/ca-certificates.crt",
		"/nix/var/nix/profiles/default/etc/ssl/certs/ca-bundle.crt",
	}
}

// hashed are directories in which OpenSSL looks for a certificate by its
// subject's hash.
func hashed() []string {
	return []string{
		"/etc/ssl/certs",
		"/etc/pki/tls/certs",
		"/etc/pki/ca-trust/extracted/pem/directory-hash",
		"/var/lib/ca-certificates/openssl",
		"/var/lib/ca-certificates/pem",
		"/etc/ca-certificates/extracted/cadir",
		"/usr/lib/ssl/certs",
		"/usr/local/ssl/certs",
	}
}

// anchors are where an administrator puts certificates: a store that is built
// anew in the sandbox keeps ours, and p11-kit reads them directly.
func anchors() []string {
	return []string{
		"/usr/local/share/ca-certificates",          // Debian, Alpine
		"/etc/pki/ca-trust/source/anchors",          // Fedora, RHEL
		"/etc/pki/trust/anchors",                    // openSUSE
		"/etc/ca-certificates/trust-source/anchors", // Arch
	}
}

// javaStores are the trust stores that distributions make for all their JDKs.
func javaStores() []string {
	return []string{
		"/etc/ssl/certs/java/cacerts",
		"/etc/pki/ca-trust/extracted/java/cacerts",
		"/etc/pki/java/cacerts",
		"/var/lib/ca-certificates/java-cacerts",
		"/etc/ca-certificates/extracted/java-cacerts.jks",
	}
}

// javaHomes are patterns of where JDKs are installed; ~ is the home directory.
func javaHomes() []string {
	return []string{
		"/usr/lib/jvm/*", "/usr/lib64/jvm/*", "/usr/java/*", "/opt/java/*", "/opt/jdk*",
		"~/.sdkman/candidates/java/*", "~/.gradle/jdks/*", "~/.jdks/*",
		"~/.asdf/installs/java/*", "~/.local/share/mise/installs/java/*",
		"~/.cache/coursier/jvm/*", "~/.cache/bazel/_bazel_*/install/*/embedded_tools/jdk",
	}
}

// javaStoreNames are where a JDK, or a JRE in a JDK 8, has its trust store.
func javaStoreNames() []string {
	return []string{"lib/security/cacerts", "jre/lib/security/cacerts"}
}
