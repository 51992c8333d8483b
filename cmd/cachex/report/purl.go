package report

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"
)

// download is what was fetched, as far as its name goes.
type download struct {
	url    *url.URL
	parts  []string // the decoded path between its slashes
	kind   string   // media type in lower case, without parameters; "" when not known
	sha256 string   // of the body, hexadecimal; "" when not known
}

// packageOf names what was downloaded from a URL as a package URL (ECMA-427): its
// parts, with the letters of the URL where the canonical form has lower case, and
// that form. It is recognised by the shape of the URL; "" tells that the URL names
// nothing at all.
//
// Every name but a generic one has a repository_url: without that it would mean the
// type's public registry, and which hosts those are, and mirror, cachex does not
// know. Scanners for vulnerabilities look at type, name and version alone.
func packageOf(rawURL, mediaType, sha256 string) (packageurl.PackageURL, string) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return packageurl.PackageURL{}, ""
	}
	kind, _, _ := strings.Cut(strings.ToLower(mediaType), ";")
	d := download{u, strings.Split(strings.TrimPrefix(u.Path, "/"), "/"), strings.TrimSpace(kind), sha256}
	if p, ok := d.recognise(); ok {
		if s := canonical(p); s != "" {
			return p, s
		}
	}
	p := d.generic()
	return p, canonical(p)
}

// canonical is a package URL as a string, "" if it is none.
func canonical(p packageurl.PackageURL) string {
	p.Qualifiers = append(packageurl.Qualifiers(nil), p.Qualifiers...) // which are sorted
	if p.Normalize() != nil || strings.Trim(p.Name, "./") == "" {
		return ""
	}
	return p.String()
}

func (d download) recognise() (packageurl.PackageURL, bool) {
	base := strings.ToLower(path.Base(d.url.Path))
	// A page sent for a package's name is an error or a log-in.
	if (d.kind == "text/html" || d.kind == "application/xhtml+xml") && !strings.HasSuffix(base, ".html") {
		return packageurl.PackageURL{}, false
	}
	for _, shape := range []func(download) (packageurl.PackageURL, bool){
		download.git, download.oci, download.golang, download.npm, download.cargo, download.wheel, download.egg, download.sdist,
		download.gem, download.deb, download.rpm, download.conda, download.nuget, download.maven, download.forge,
	} {
		if p, ok := shape(d); ok {
			return p, true
		}
	}
	return packageurl.PackageURL{}, false
}

// address is the URL as it may be shown: a password in it is left out, wherever it
// came from.
func (d download) address() string {
	u := *d.url
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	return u.String()
}

// under is the URL of the first n parts of the path.
func (d download) under(n int) string {
	u := url.URL{Scheme: d.url.Scheme, Host: d.url.Host, Path: "/" + strings.Join(d.parts[:n], "/")}
	return strings.TrimSuffix(u.String(), "/")
}

// last gives one of the path's last parts: 0 is the last. It is "" before the first.
func (d download) last(n int) string {
	if n >= len(d.parts) {
		return ""
	}
	return d.parts[len(d.parts)-1-n]
}

// pkg makes a package URL out of pairs of qualifiers; empty ones are left out.
func pkg(kind, namespace, name, version string, pairs ...string) packageurl.PackageURL {
	p := packageurl.PackageURL{Type: kind, Namespace: namespace, Name: name, Version: version}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			p.Qualifiers = append(p.Qualifiers, packageurl.Qualifier{Key: pairs[i], Value: pairs[i+1]})
		}
	}
	return p
}

// generic names a file by where it came from and what it was.
func (d download) generic() packageurl.PackageURL {
	return pkg(packageurl.TypeGeneric, "", d.fileName(), "", "download_url", d.address(), "checksum", d.checksum())
}

// fileName is the last part of the path that says something, else the host.
func (d download) fileName() string {
	for i := range d.parts {
		if name := d.last(i); strings.Trim(name, "./") != "" {
			return name
		}
	}
	return d.url.Hostname()
}

func (d download) checksum() string {
	if d.sha256 == "" {
		return ""
	}
	return "sha256:" + d.sha256
}

// git sees a repository that is fetched over HTTP. Which of its commits came is in
// the pack alone, so no version is named; generic with a vcs_url is what the purl
// type's definition has for bare repositories.
func (d download) git() (packageurl.PackageURL, bool) {
	n := len(d.parts)
	switch {
	case n >= 2 && d.last(0) == "git-upload-pack":
		n--
	case n >= 3 && d.last(0) == "refs" && d.last(1) == "info":
		n -= 2
	default:
		return packageurl.PackageURL{}, false
	}
	name := strings.TrimSuffix(d.parts[n-1], ".git")
	return pkg(packageurl.TypeGeneric, strings.Join(d.parts[:n-1], "/"), name, "", "vcs_url", "git+"+d.under(n)), true
}

// oci sees /v2/NAME/manifests/REFERENCE and /v2/NAME/blobs/DIGEST of the OCI
// distribution specification. The digest of a manifest that was asked for by tag is
// that of its bytes. The type wants a repository_url without a scheme.
func (d download) oci() (packageurl.PackageURL, bool) {
	kind, reference, n := d.last(1), d.last(0), len(d.parts)
	at := slices.Index(d.parts, "v2")
	if at < 0 || n < at+4 || kind != "manifests" && kind != "blobs" {
		return packageurl.PackageURL{}, false
	}
	_, repository, _ := strings.Cut(d.under(at), "://")
	repository += "/" + strings.Join(d.parts[at+1:n-2], "/")
	tag, digest := "", reference
	if !shapes().digest.MatchString(reference) {
		if kind == "blobs" {
			return packageurl.PackageURL{}, false
		}
		tag, digest = reference, d.checksum()
	}
	return pkg(packageurl.TypeOCI, "", strings.ToLower(d.last(2)), digest, "repository_url", repository, "tag", tag), true
}

// forge sees what a forge makes of a repository or keeps for its releases:
// /OWNER/REPO/archive/REF.tar.gz, /OWNER/REPO/tar.gz/REF,
// /OWNER/REPO/releases/download/TAG/FILE. That has the same shape on many hosts, so
// that the type github, which is a host's, would be a guess.
func (d download) forge() (packageurl.PackageURL, bool) {
	namespace, name, version := "", "", ""
	if at := slices.Index(d.parts, "releases"); at >= 0 && len(d.parts) == at+4 && d.parts[at+1] == "download" {
		namespace, name, version = strings.Join(d.parts[:at], "/"), d.last(0), d.last(1)
	} else if !slices.ContainsFunc(d.parts, func(s string) bool {
		return s == "archive" || strings.HasSuffix(s, "tar.gz") || strings.HasSuffix(s, "zip")
	}) {
		return packageurl.PackageURL{}, false
	} else if m := shapes().archive.FindStringSubmatch(d.url.Path); m != nil {
		namespace, name, version = m[1], m[2], m[3]
	} else {
		return packageurl.PackageURL{}, false
	}
	return pkg(packageurl.TypeGeneric, namespace, name, version, "download_url", d.address(), "checksum", d.checksum()), true
}
