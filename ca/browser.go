package ca

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// policyFile is the last in the order of names that administrators use: of
// several files with one policy, Chromium takes the last (components/policy/
// core/common/config_dir_policy_loader.cc).
const policyFile = "zzz-cachex.json"

// policyDirs are the directories of browsers below which an administrator's
// policies are, in policies/managed.
func policyDirs() []string {
	return []string{
		"/etc/chromium", "/etc/chromium-browser", "/etc/opt/chrome", "/etc/opt/chrome_for_testing",
		"/etc/opt/edge", "/etc/brave",
	}
}

// caPolicy is Chromium's policy of certificates to trust: base64 of DER. It is
// known since version 131; older ones pass it over.
const caPolicy = "CACertificates"

// addBrowsers gives Chromium and its kin, which have roots of their own, a policy
// that adds the authority. The other place that they read, the NSS database of
// the home directory, is the user's. Browsers that are not installed have no
// directory and get none: it would be a private copy of all of /etc.
func (b *trustBuilder) addBrowsers() {
	for _, dir := range policyDirs() {
		d, ok := b.directory(dir)
		managed := b.resolve(filepath.Join(dir, "policies/managed"))
		if !ok || !b.hasRoom(managed, d) {
			continue
		}
		certs := b.policyCertificates(managed)
		block, _ := pem.Decode(b.own)
		certs = append(certs, base64.StdEncoding.EncodeToString(block.Bytes))
		data, err := json.Marshal(map[string][]string{caPolicy: certs})
		if err != nil {
			continue // strings are always JSON
		}
		b.put(filepath.Join(managed, policyFile), File{Data: data})
	}
}

// hasRoom tells whether a directory is there, or can be made within another: a
// link that leads to nothing elsewhere would make a copy of who knows what.
func (b *trustBuilder) hasRoom(dir, within string) bool {
	near := b.existing(dir)
	info, err := b.stat(near)
	return err == nil && info.IsDir() && (near == dir || near == within || strings.HasPrefix(near, within+"/"))
}

// policyCertificates are those that the administrator's files add: ours takes the
// place of their policy.
func (b *trustBuilder) policyCertificates(managed string) []string {
	var certs []string
	entries, _ := os.ReadDir(filepath.Join(b.root, managed)) // most have none
	for _, e := range entries {
		var policy map[string]json.RawMessage
		var own []string
		if !strings.HasSuffix(e.Name(), ".json") ||
			json.Unmarshal(b.read(filepath.Join(managed, e.Name())), &policy) != nil ||
			json.Unmarshal(policy[caPolicy], &own) != nil {
			continue
		}
		for _, c := range own {
			if !slices.Contains(certs, c) {
				certs = append(certs, c)
			}
		}
	}
	return certs
}
