package report

import (
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"
)

// maven sees /GROUP/ARTIFACT/VERSION/ARTIFACT-VERSION[-CLASSIFIER].TYPE, the group's
// dots being slashes.
func (d download) maven() (packageurl.PackageURL, bool) {
	artifact, version := d.last(2), d.last(1)
	rest, ok := strings.CutPrefix(d.last(0), artifact+"-")
	if !ok || artifact == "" || !strings.ContainsAny(version, "0123456789") {
		return packageurl.PackageURL{}, false
	}
	if after, ok := strings.CutPrefix(rest, version); ok {
		rest = after
	} else { // a snapshot's file has its time in its name
		number, ok := strings.CutSuffix(version, "-SNAPSHOT")
		after, ok2 := strings.CutPrefix(rest, number)
		stamp := shapes().snapshot.FindString(after)
		if !ok || !ok2 || stamp == "" {
			return packageurl.PackageURL{}, false
		}
		version, rest = number+stamp, after[len(stamp):]
	}
	m := shapes().extension.FindStringSubmatch(rest)
	if m == nil {
		return packageurl.PackageURL{}, false
	}
	classifier := strings.TrimSuffix(rest, "."+m[1])
	if classifier != "" && (classifier[0] != '-' || len(classifier) == 1) {
		return packageurl.PackageURL{}, false // a-1.0.1.jar in a/1.0
	}
	at := groupStart(d.parts[:len(d.parts)-3], artifact)
	group := strings.Join(d.parts[at:len(d.parts)-3], ".")
	if group == "" {
		return packageurl.PackageURL{}, false
	}
	kind := m[1]
	if kind == "jar" {
		kind = "" // the default
	}
	return pkg(packageurl.TypeMaven, group, artifact, version, "classifier", strings.TrimPrefix(classifier, "-"), "type", kind,
		"repository_url", d.under(at)), true
}

// groupStart finds where the group's folders begin; those before are the
// repository's. Nothing in the path tells, so that this goes by what groups and
// repositories are called: a group is a domain backwards, mostly, and older ones
// have the artifact's name. Where none of that helps all folders are taken for the
// group's.
func groupStart(folders []string, artifact string) int {
	at := 0
	for i, f := range folders {
		switch {
		case i < at: // named by the folder before
		case domainHead(f):
			return i
		case slices.Contains([]string{"repository", "repositories", "groups", "artifactory"}, f):
			at = min(i+2, len(folders)) // /repository/NAME
		case slices.Contains([]string{"maven", "maven2", "m2", "mvn", "releases", "snapshots", "public"}, f):
			at = i + 1
		}
	}
	if n := len(folders); n > 0 && at < n && folders[n-1] == artifact {
		return n - 1
	}
	return min(at, max(0, len(folders)-1))
}

// domainHead tells whether a group may begin with the word: a top-level domain that
// is common there, that of a country, or one of the names that stand for one.
func domainHead(s string) bool {
	switch s {
	case "org", "com", "net", "edu", "gov", "info", "biz", "dev", "app", "cloud", "tech", "name", "java", "javax", "jakarta", "androidx", "android":
		return true
	}
	return len(s) == 2 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == ""
}
