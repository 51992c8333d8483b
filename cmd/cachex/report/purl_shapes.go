package report

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/package-url/packageurl-go"
)

// The shapes of the package registries. None of them looks at the host.

type purlShapes struct {
	digest, domain, moduleFile, version, dotted, crate, wheel, egg, sdist, deb, dsc, rpm, conda, snapshot, extension, archive, mime *regexp.Regexp
}

// shapes are compiled when the first URL is named, not at each start.
var shapes = sync.OnceValue(func() purlShapes {
	return purlShapes{
		digest:     regexp.MustCompile(`^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$`),
		domain:     regexp.MustCompile(`^[a-z0-9][-a-z0-9]*(\.[-a-z0-9]+)*\.[a-z]{2,}$`),
		moduleFile: regexp.MustCompile(`^(v\d+\.\d+\.\d+.*)\.(zip|mod|info)$`),
		version:    regexp.MustCompile(`^\d[-+.~!\w]*$`),
		dotted:     regexp.MustCompile(`^\d+(\.\w+)+$`),
		crate:      regexp.MustCompile(`^[A-Za-z][-\w]*$`),
		// PEP 427: name, version, build tag that may be absent, and three tags.
		wheel: regexp.MustCompile(`^([^-]+)-(\d[^-]*)(?:-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl$`),
		egg:   regexp.MustCompile(`^([^-]+)-(\d[^-]*)(?:-py\d[.\d]*)?(?:-[^-]+)?\.egg$`),
		sdist: regexp.MustCompile(`^(.+)\.(?:tar\.gz|tar\.bz2|tgz|zip)$`),
		deb:   regexp.MustCompile(`^([a-z0-9][-+.a-z0-9]*)_(\d[^_]*)_([-a-z0-9]+)\.(?:deb|udeb|ddeb)$`),
		dsc:   regexp.MustCompile(`^([a-z0-9][-+.a-z0-9]*)_(\d[^_]*)\.dsc$`),
		rpm:   regexp.MustCompile(`^(.+)-([^-]+)-([^-]+)\.([^-.]+)\.d?rpm$`),
		conda: regexp.MustCompile(`^(.+)-([^-]+)-([^-]+)\.(conda|tar\.bz2)$`),
		// A snapshot's time and number, which stand for SNAPSHOT in its files' names.
		snapshot: regexp.MustCompile(`^-\d{8}\.\d{6}-\d+`),
		// The end of a file's name: what it is, and what of that it holds.
		extension: regexp.MustCompile(`\.((?:tar\.)?[A-Za-z][A-Za-z0-9]*(?:\.(?:asc|sigstore\.json|md5|sha1|sha256|sha512))*)$`),
		archive:   regexp.MustCompile(`^/(.+?)/([^/]+)/(?:(?:-/)?archive/(?:refs/(?:tags|heads)/)?|(?:legacy\.)?(?:tar\.gz|zip)/(?:refs/(?:tags|heads)/)?)([^/]+?)(?:/[^/]+)?(?:\.tar\.(?:gz|bz2|xz)|\.tgz|\.zip)?$`),
		// What the schema of CycloneDX takes for a media type: a server may send anything.
		mime: regexp.MustCompile(`^[-+a-z0-9.]+/[-+a-z0-9.]+$`),
	}
})

// golang sees a module proxy's /MODULE/@v/VERSION.zip. A module's path begins with a
// domain; what is before is the proxy's. The .mod of a version is the file go.mod in
// it: builds get that of many modules of which they use nothing else.
func (d download) golang() (packageurl.PackageURL, bool) {
	m := shapes().moduleFile.FindStringSubmatch(d.last(0))
	if m == nil || d.last(1) != "@v" {
		return packageurl.PackageURL{}, false
	}
	path := d.parts[:len(d.parts)-2]
	at := slices.IndexFunc(path, shapes().domain.MatchString)
	if at < 0 {
		return packageurl.PackageURL{}, false
	}
	module := unescapeModule(strings.Join(path[at:], "/"))
	slash := strings.LastIndex(module, "/")
	p := pkg(packageurl.TypeGolang, module[:max(0, slash)], module[slash+1:], unescapeModule(m[1]), "repository_url", d.under(at))
	switch m[2] {
	case "mod":
		p.Subpath = "go.mod"
	case "info":
		p.Qualifiers = append(p.Qualifiers, packageurl.Qualifier{Key: "file_name", Value: unescapeModule(d.last(0))})
	}
	return p, true
}

// unescapeModule undoes a module proxy's !x for X.
func unescapeModule(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '!' && i+1 < len(s) && 'a' <= s[i+1] && s[i+1] <= 'z' {
			i++
			b.WriteByte(s[i] - 'a' + 'A')
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// npm sees /NAME/-/NAME-VERSION.tgz, NAME with its scope, if it has one, before the
// dash and in some registries after it as well.
func (d download) npm() (packageurl.PackageURL, bool) {
	dash := slices.Index(d.parts, "-")
	file, ok := strings.CutSuffix(d.last(0), ".tgz")
	if !ok || dash < 1 || len(d.parts)-dash > 3 {
		return packageurl.PackageURL{}, false
	}
	name, scope, at := d.parts[dash-1], "", dash-1
	if dash > 1 && strings.HasPrefix(d.parts[dash-2], "@") {
		scope, at = d.parts[dash-2], dash-2
	}
	version, ok := strings.CutPrefix(file, name+"-")
	if !ok || !shapes().version.MatchString(version) {
		return packageurl.PackageURL{}, false
	}
	return pkg(packageurl.TypeNPM, scope, name, version, "repository_url", d.under(at)), true
}

// cargo sees /NAME/VERSION/download, and /NAME/NAME-VERSION.crate.
func (d download) cargo() (packageurl.PackageURL, bool) {
	n := len(d.parts)
	name, version, at := d.last(2), d.last(1), n-3
	if file, ok := strings.CutSuffix(d.last(0), ".crate"); ok {
		name, at = d.last(1), n-2
		version, _ = strings.CutPrefix(file, name+"-")
		if version == file {
			return packageurl.PackageURL{}, false
		}
	} else if d.last(0) != "download" || !strings.Contains(version, ".") {
		return packageurl.PackageURL{}, false
	}
	if !shapes().crate.MatchString(name) || !shapes().version.MatchString(version) {
		return packageurl.PackageURL{}, false
	}
	for _, folder := range []string{"crates", "v1", "api"} {
		if at > 0 && d.parts[at-1] == folder {
			at--
		}
	}
	return pkg(packageurl.TypeCargo, "", name, version, "repository_url", d.under(at)), true
}

// wheel sees a built distribution of Python, and the file of metadata that PEP 658
// has beside it, which is one that is in it.
func (d download) wheel() (packageurl.PackageURL, bool) {
	file, metadata := strings.CutSuffix(d.last(0), ".metadata")
	m := shapes().wheel.FindStringSubmatch(file)
	if m == nil {
		return packageurl.PackageURL{}, false
	}
	p := d.pypi(m[1], m[2], file)
	if metadata {
		p.Subpath = m[1] + "-" + m[2] + ".dist-info/METADATA"
	}
	return p, true
}

func (d download) egg() (packageurl.PackageURL, bool) {
	m := shapes().egg.FindStringSubmatch(d.last(0))
	if m == nil {
		return packageurl.PackageURL{}, false
	}
	return d.pypi(m[1], m[2], d.last(0)), true
}

// sdist sees a source distribution of Python. Its name is that of any archive, so
// where it lies has to tell: in packages, with folders of a digest, of the kind
// "source", or of its own name, or among the files of a registry called pypi.
func (d download) sdist() (packageurl.PackageURL, bool) {
	m := shapes().sdist.FindStringSubmatch(d.last(0))
	if m == nil {
		return packageurl.PackageURL{}, false
	}
	name, version, ok := splitVersion(m[1])
	if !ok {
		return packageurl.PackageURL{}, false
	}
	at := d.pypiRoot()
	below := d.parts[at:]
	digest := len(below) == 5 && len(below[1]) == 2 && len(below[2]) == 2 && isHex(below[1]+below[2]+below[3])
	source := len(below) == 5 && below[1] == "source"
	own := len(below) == 4 && normalName(below[1]) == normalName(name) && below[2] == version
	named := slices.Contains(d.parts, "pypi") || d.last(2) == "simple"
	if !(len(below) > 0 && below[0] == "packages" && (digest || source || own)) && !named {
		return packageurl.PackageURL{}, false
	}
	return d.pypi(name, version, d.last(0)), true
}

func (d download) pypi(name, version, file string) packageurl.PackageURL {
	return pkg(packageurl.TypePyPi, "", normalName(name), version, "file_name", file, "repository_url", d.under(min(d.pypiRoot(), len(d.parts)-1)))
}

// pypiRoot is where the folders of packages begin, the length of the path if they
// are not called so.
func (d download) pypiRoot() int {
	if at := slices.Index(d.parts, "packages"); at >= 0 {
		return at
	}
	return len(d.parts)
}

// normalName is a Python project's name as PEP 503 writes it.
func normalName(s string) string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return r == '-' || r == '_' || r == '.' })
	return strings.Join(words, "-")
}

// splitVersion parts NAME-VERSION, where either may have more dashes: at the last
// word that is a version with dots, else at the first one that begins with a digit.
func splitVersion(s string) (name, version string, ok bool) {
	words := strings.Split(s, "-")
	at := -1
	for i := len(words) - 1; i > 0; i-- {
		if shapes().dotted.MatchString(strings.NewReplacer("+", ".", "!", ".").Replace(words[i])) {
			at = i
			break
		}
	}
	if at < 0 {
		if len(words) < 2 {
			return "", "", false
		}
		at = 1 + slices.IndexFunc(words[1:], func(w string) bool { return w != "" && w[0] >= '0' && w[0] <= '9' })
	}
	if at < 1 || words[0] == "" {
		return "", "", false
	}
	return strings.Join(words[:at], "-"), strings.Join(words[at:], "-"), true
}

func isHex(s string) bool { return s != "" && strings.Trim(s, "0123456789abcdef") == "" }

// gem sees NAME-VERSION.gem and NAME-VERSION-PLATFORM.gem.
func (d download) gem() (packageurl.PackageURL, bool) {
	file, ok := strings.CutSuffix(d.last(0), ".gem")
	if !ok {
		return packageurl.PackageURL{}, false
	}
	name, version, ok := splitVersion(file)
	if !ok {
		return packageurl.PackageURL{}, false
	}
	version, platform, _ := strings.Cut(version, "-")
	at := len(d.parts) - 1
	if d.last(1) == "gems" {
		at--
	}
	return pkg(packageurl.TypeGem, "", name, version, "platform", platform, "repository_url", d.under(at)), true
}

// deb sees NAME_VERSION_ARCHITECTURE.deb, and a source's NAME_VERSION.dsc. Who made
// the package is seen by the folder of the pool or by the version; it is left out
// else. What apt has asked for has %3a for an epoch's colon, once more encoded in
// some archives.
func (d download) deb() (packageurl.PackageURL, bool) {
	file := d.last(0)
	if !strings.HasSuffix(file, "deb") && !strings.HasSuffix(file, ".dsc") {
		return packageurl.PackageURL{}, false
	}
	file = strings.NewReplacer("%3a", ":", "%3A", ":").Replace(file)
	m := shapes().deb.FindStringSubmatch(file)
	if m == nil {
		if m = shapes().dsc.FindStringSubmatch(file); m == nil {
			return packageurl.PackageURL{}, false
		}
		m = append(m, "source")
	}
	at, vendor := len(d.parts)-1, ""
	if pool := slices.Index(d.parts, "pool"); pool >= 0 {
		at = pool
	}
	for _, v := range []string{"debian", "ubuntu"} {
		if at > 0 && (d.parts[at-1] == v || strings.HasPrefix(d.parts[at-1], v+"-")) {
			vendor = v
		}
	}
	switch {
	case strings.Contains(m[2], "ubuntu"):
		vendor = "ubuntu"
	case vendor == "" && (strings.Contains(m[2], "+deb") || strings.Contains(m[2], "~deb") || strings.Contains(m[2], "~bpo")):
		vendor = "debian"
	}
	return pkg(packageurl.TypeDebian, vendor, m[1], m[2], "arch", m[3], "repository_url", d.under(at)), true
}

// rpm sees NAME-VERSION-RELEASE.ARCHITECTURE.rpm. Who made it the name does not tell.
func (d download) rpm() (packageurl.PackageURL, bool) {
	m := shapes().rpm.FindStringSubmatch(d.last(0))
	if m == nil {
		return packageurl.PackageURL{}, false
	}
	at := len(d.parts) - 1
	if i := slices.Index(d.parts, "Packages"); i >= 0 {
		at = i
	}
	return pkg(packageurl.TypeRPM, "", m[1], m[2]+"-"+m[3], "arch", m[4], "repository_url", d.under(at)), true
}

// conda sees CHANNEL/SUBDIR/NAME-VERSION-BUILD.conda, and the older tar.bz2 if it is
// in a folder for a platform.
func (d download) conda() (packageurl.PackageURL, bool) {
	m := shapes().conda.FindStringSubmatch(d.last(0))
	system, _, _ := strings.Cut(d.last(1), "-")
	if m == nil || len(d.parts) < 2 || m[4] != "conda" && !slices.Contains([]string{"noarch", "linux", "osx", "win"}, system) {
		return packageurl.PackageURL{}, false
	}
	return pkg(packageurl.TypeConda, "", m[1], m[2], "build", m[3], "channel", d.last(2), "subdir", d.last(1), "type", m[4],
		"repository_url", d.under(max(0, len(d.parts)-3))), true
}

// nuget sees /NAME/VERSION/NAME.VERSION.nupkg.
func (d download) nuget() (packageurl.PackageURL, bool) {
	name, version := d.last(2), d.last(1)
	if name == "" || !shapes().version.MatchString(version) || !strings.EqualFold(d.last(0), name+"."+version+".nupkg") {
		return packageurl.PackageURL{}, false
	}
	return pkg(packageurl.TypeNuget, "", name, version, "repository_url", d.under(len(d.parts)-3)), true
}
