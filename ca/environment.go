package ca

import (
	"slices"
	"strings"
)

// Variables that name a PEM file of roots. They are set for every build: most
// replace a program's own roots, so they name the merged bundle.
func bundleVariables() []string {
	return []string{
		"SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO",
		"CARGO_HTTP_CAINFO", "AWS_CA_BUNDLE", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", "HTTPLIB2_CA_CERTS",
		"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "HEX_CACERTS_PATH", "NIX_SSL_CERT_FILE", "PERL_LWP_SSL_CA_FILE",
		"JULIA_SSL_CA_ROOTS_PATH", "BUNDLE_SSL_CA_CERT",
	}
}

// userVariables name such a file too, but are set only when the user has set
// them: in programs of another version they do harm.
func userVariables() []string {
	return []string{
		"npm_config_cafile", "NPM_CONFIG_CAFILE", "YARN_CAFILE", "YARN_HTTPS_CA_FILE_PATH", "DENO_CERT",
		"HTTPS_CA_FILE", "COMPOSER_CAFILE", "SYSTEM_CERTIFICATE_PATH", "CONDA_SSL_VERIFY",
	}
}

// nodeVariable adds to the roots of Node and of many that follow it.
const nodeVariable = "NODE_EXTRA_CA_CERTS"

// switches make programs with roots of their own read the system's.
func switches() []string {
	return []string{
		"NODE_USE_SYSTEM_CA=1",
		"DENO_TLS_CA_STORE=system,mozilla",
		"UV_SYSTEM_CERTS=true",
		"UV_NATIVE_TLS=true",
	}
}

// javaVariables hold options of JVMs, and with them perhaps a trust store.
func javaVariables() []string {
	return []string{
		"JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "JAVA_OPTS", "MAVEN_OPTS", "GRADLE_OPTS", "SBT_OPTS",
	}
}

const (
	javaTrustStore    = "-Djavax.net.ssl.trustStore="
	javaTrustPassword = "-Djavax.net.ssl.trustStorePassword="
)

// environment is a list of NAME=VALUE. The last entry of a name counts.
type environment []string

func (e environment) get(name string) string {
	for _, kv := range slices.Backward(e) {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// option is the value of an option in a variable of options. The last one
// counts.
func (e environment) option(name, option string) string {
	for _, w := range slices.Backward(words(e.get(name))) {
		if v, ok := strings.CutPrefix(w.plain, option); ok {
			return v
		}
	}
	return ""
}

// word is one option, as it is written and without its quotes.
type word struct{ raw, plain string }

// words splits options at blanks that are not quoted, as a JVM does
// (src/hotspot/share/runtime/arguments.cpp, parse_options_buffer).
func words(s string) []word {
	var all []word
	var plain []byte
	start, quote := -1, byte(0)
	for i := 0; i <= len(s); i++ {
		if i == len(s) || quote == 0 && strings.IndexByte(" \t\r\n\f\v", s[i]) >= 0 {
			if start >= 0 {
				all = append(all, word{s[start:i], string(plain)})
			}
			start, plain = -1, nil
			continue
		}
		if start < 0 {
			start = i
		}
		switch c := s[i]; {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == c:
			quote = 0
		default:
			plain = append(plain, c)
		}
	}
	return all
}
