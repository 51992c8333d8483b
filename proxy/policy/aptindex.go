package policy

import (
	"bufio"
	"bytes"
	"path"
	"regexp"
	"strings"
	"sync"
)

// An apt repository's Release file lists the digests of its other indexes: all
// of them together are one generation, and apt refuses a mixture.

// aptIndexes are the files that change with a generation and keep their names.
var aptIndexes = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(Packages|Sources|Contents-[^/]+|Translation-[^/]+|Components-[^/]+|icons-[^/]+|Commands-[^/]+|Release)(\.[a-z0-9]+)?$`)
})

// AptIndex tells whether a URL path may be that of an index of an apt
// repository, and whether it is the list of the others.
func AptIndex(p string) (index, list bool) {
	switch base := path.Base(p); {
	case base == "InRelease", base == "Release", base == "Release.gpg":
		return true, true
	default:
		return !strings.Contains(p, "/by-hash/") && aptIndexes().MatchString(base), false
	}
}

// AptDigests reads a Release or InRelease file: SHA-256 digests in hexadecimal
// by name, relative to the file's folder (deb822, field SHA256). nil means that
// it is none.
func AptDigests(release []byte) map[string]string {
	var digests map[string]string
	inside := false
	lines := bufio.NewScanner(bytes.NewReader(release))
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, " ") {
			inside = strings.HasPrefix(line, "SHA256:")
			continue
		}
		f := strings.Fields(line)
		if !inside || len(f) != 3 || len(f[0]) != 64 {
			continue
		}
		if digests == nil {
			digests = map[string]string{}
		}
		digests[f[2]] = strings.ToLower(f[0])
	}
	return digests
}
