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

// option is the value of an option in a variable of options.
func (e environment) option(name, option string) string {
	for _, word := range strings.Fields(e.get(name)) {
		if v, ok := strings.CutPrefix(word, option); ok {
			return strings.Trim(v, `"'`)
		}
	}
	return ""
}
