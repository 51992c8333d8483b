package policy

import (
	"path"
	"strings"
)

// The shapes of names, one function each, as each is looked for in every URL that is
// asked for, several times. The tests have them as regular expressions, which say the
// same and took 50 µs of a request.

// indexName sees names that stay while their content changes, whatever folder they
// are in.
func indexName(base string) bool {
	first := strings.ToLower(base)
	if i := strings.IndexAny(first, separators); i >= 0 {
		first = first[:i]
	}
	switch first {
	case "index", "packages", "sources", "release", "inrelease", "contents", "translation", "components", "repomd", "repodata",
		"primary", "filelists", "other", "comps", "updateinfo", "apkindex", "manifest", "metadata", "latest", "current", "nightly",
		"stable", "specs", "versions", "names", "catalog", "channel", "timestamp", "root", "targets", "mirrors", "listing":
		return true
	}
	for _, name := range []string{"maven-metadata", "prerelease_specs", "archive-contents", "dep-11"} {
		if n := len(name); len(base) >= n && strings.EqualFold(base[:n], name) && (len(base) == n || separates(base[n])) {
			return true
		}
	}
	return false
}

// separators stand between the words of a name.
const separators = "-_."

func separates(c byte) bool { return c == '-' || c == '_' || c == '.' }

// moving sees words that say so wherever they stand in a name.
func moving(name string) bool {
	for name != "" {
		word := name
		if i := strings.IndexAny(name, separators); i >= 0 {
			word, name = name[:i], name[i+1:]
		} else {
			name = ""
		}
		switch len(word) {
		case len("latest"), len("nightly"), len("snapshot"):
			switch strings.ToLower(word) {
			case "latest", "nightly", "current", "snapshot":
				return true
			}
		}
	}
	return false
}

// archive sees the endings of what is packed, or signed, or says the digest of such.
func archive(base string) bool {
	switch strings.ToLower(path.Ext(base)) {
	case ".tgz", ".tbz", ".tbz2", ".txz", ".tar", ".zip", ".gz", ".xz", ".bz2", ".zst", ".7z", ".jar", ".war", ".ear", ".aar", ".klib",
		".pom", ".module", ".nuspec", ".exe", ".msi", ".dmg", ".pkg", ".appimage", ".bin", ".so", ".dll", ".wasm", ".whl", ".sh", ".run",
		".asc", ".sig", ".sign", ".minisig", ".pem", ".sha1", ".sha256", ".sha512", ".md5", ".sha256sum", ".sha512sum", ".buildinfo",
		".sbom", ".node", ".vsix", ".iso", ".img", ".qcow2", ".mod":
		return true
	case ".lz", ".lzma", ".br":
		return strings.EqualFold(path.Ext(strings.TrimSuffix(base, path.Ext(base))), ".tar")
	}
	return false
}

// numbered sees name-1.2.3.ext: a word that begins with a version.
func numbered(base string) bool {
	for i := range len(base) {
		if i > 0 && !strings.ContainsRune("-_.@+~", rune(base[i-1])) {
			continue
		}
		rest := base[i:]
		if strings.ContainsRune("vVrR", rune(rest[0])) {
			rest = rest[1:]
		}
		if n := digits(rest); n > 0 && n+1 < len(rest) && rest[n] == '.' && isDigit(rest[n+1]) {
			return true
		}
	}
	return false
}

// dotted sees a version with more than one number anywhere in a name.
func dotted(name string) bool {
	for i := 1; i+1 < len(name); i++ {
		if name[i] == '.' && isDigit(name[i-1]) && isDigit(name[i+1]) {
			return true
		}
	}
	return false
}

// releaseFolder sees .../1.2.3/name and .../v1.2.3/name.ext.
func releaseFolder(p string) bool {
	dir, base := path.Split(p)
	above, folder := path.Split(strings.TrimSuffix(dir, "/"))
	if base == "" || above == "" {
		return false
	}
	for i := 1; i < len(folder); i++ {
		if folder[i] != '.' || !isDigit(folder[i-1]) {
			continue
		}
		rest := folder[i+1:]
		if n := digits(rest); n > 0 && n+1 < len(rest) && rest[n] == '.' && isDigit(rest[n+1]) {
			return true
		}
	}
	return false
}

// hasDigest sees a digest or a commit, which names its bytes: so many hexadecimal
// digits, between what is neither digit nor letter.
func hasDigest(s string) bool {
	for from := 0; from < len(s); {
		if !isAlnum(s[from]) {
			from++
			continue
		}
		to := from
		hex := true
		for ; to < len(s) && isAlnum(s[to]); to++ {
			hex = hex && isHexDigit(s[to])
		}
		switch to - from {
		case 40, 56, 60, 64, 96, 128:
			if hex {
				return true
			}
		}
		from = to
	}
	return false
}

// splitDigest sees the digest that a file host spreads over folders:
// /packages/ab/cd/<60 hexadecimal digits>/name.
func splitDigest(p string) bool {
	before, last := "", ""
	for part := range strings.SplitSeq(p, "/") {
		if len(before) == 2 && len(last) == 2 && len(part) >= 28 && isHex(before) && isHex(last) && isHex(part) {
			return true
		}
		before, last = last, part
	}
	return false
}

// goModule sees what GOPROXY fixes: only a canonical version, or a pseudo-version.
func goModule(p string) bool {
	i := strings.LastIndex(p, "/@v/v")
	if i < 0 {
		return false
	}
	rest := p[i+len("/@v/v"):]
	for range 2 {
		n := digits(rest)
		if n == 0 || n == len(rest) || rest[n] != '.' {
			return false
		}
		rest = rest[n+1:]
	}
	n := digits(rest)
	if n == 0 || strings.Contains(rest, "/") {
		return false
	}
	switch path.Ext(rest[n:]) {
	case ".info", ".mod", ".zip", ".ziphash":
		return true
	}
	return false
}

// checksumTile sees a Go checksum database's tiles and look-ups, whose content
// is fixed (golang.org/x/mod/sumdb). The signed tree head, /latest, is not.
func checksumTile(p string) bool {
	return strings.Contains(p, "/tile/8/") || strings.Contains(p, "/tile/2/") ||
		strings.Contains(p, "/lookup/") && strings.Contains(path.Base(p), "@v")
}

// mavenRelease sees a repository's .../ARTIFACT/VERSION/ARTIFACT-VERSION.EXT,
// where a version may be a single number.
func mavenRelease(p string) bool {
	dir, base := path.Split(p)
	dir, version := path.Split(strings.TrimSuffix(dir, "/"))
	dir, artifact := path.Split(strings.TrimSuffix(dir, "/"))
	rest, ok := strings.CutPrefix(base, artifact)
	return dir != "" && ok && strings.ContainsAny(version, "0123456789") && !moving(version) &&
		strings.HasPrefix(rest, "-") && strings.HasPrefix(rest[1:], version)
}

// packaged sees NAME-VERSION.EXT of a format whose names must hold a version, but
// not NAME.x86_64.rpm and not NAME-latest-9.noarch.rpm.
func packaged(base string) bool {
	stem, ok := packageStem(base)
	if !ok {
		return false
	}
	stem = strings.ReplaceAll(stem, "x86_64", "x86")
	for i := range len(stem) {
		if !separates(stem[i]) {
			continue
		}
		rest := stem[i+1:]
		if rest != "" && rest[0]|0x20 == 'v' {
			rest = rest[1:]
		}
		if rest != "" && isDigit(rest[0]) {
			return !moving(base) || dotted(base)
		}
	}
	return false
}

// packageStem is a package's name without the ending of its format.
func packageStem(base string) (string, bool) {
	ext := path.Ext(base)
	stem := strings.TrimSuffix(base, ext)
	inner := ""
	switch strings.ToLower(ext) {
	case ".whl", ".egg", ".gem", ".crate", ".deb", ".udeb", ".ddeb", ".dsc", ".rpm", ".drpm", ".apk", ".nupkg", ".snupkg", ".conda":
		return stem, true
	case ".rz":
		inner = ".gemspec"
	case ".metadata":
		inner = ".whl"
	default:
		return "", false
	}
	before := path.Ext(stem)
	return strings.TrimSuffix(stem, before), strings.EqualFold(before, inner)
}

// npmTarball sees a registry's .../NAME/-/NAME-VERSION.tgz.
func npmTarball(p string) bool {
	dir, base := path.Split(p)
	return strings.HasSuffix(dir, "/-/") && strings.HasSuffix(base, ".tgz") && numbered(base)
}

// crateDownload sees a registry's /NAME/VERSION/download.
func crateDownload(p string) bool {
	dir, base := path.Split(p)
	return base == "download" && numbered(path.Base(strings.TrimSuffix(dir, "/")))
}

// digits is how many a text begins with.
func digits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHexDigit(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func isAlnum(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' }

func isHex(s string) bool {
	for i := range len(s) {
		if !isHexDigit(s[i]) {
			return false
		}
	}
	return true
}
