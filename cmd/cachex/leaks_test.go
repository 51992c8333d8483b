package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// leaksCommand fails when a secret of the file "secrets", a line each, is in one
// of the files or directories, in a name or in the bytes: as it is, in base64, in
// hexadecimal, percent-encoded or as a JSON string. Negated it wants one there.
func leaksCommand(ts *testscript.TestScript, neg bool, args []string) {
	secrets := strings.Fields(ts.ReadFile("secrets"))
	if len(args) == 0 || len(secrets) == 0 {
		ts.Fatalf("usage: noleaks PATH...; and there are secrets")
	}
	var found []string
	files := 0
	for _, root := range args {
		err := filepath.WalkDir(ts.MkAbs(root), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			files++
			// The target of a link says as much as a file.
			text := []byte(d.Name() + "\n")
			if to, err := os.Readlink(path); err == nil {
				text = append(text, to...)
			} else if d.Type().IsRegular() {
				b, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				text = append(text, b...)
			}
			for _, s := range secrets {
				if form := formOf(text, s); form != "" {
					found = append(found, path+": "+s+" as "+form)
				}
			}
			return nil
		})
		ts.Check(err)
	}
	switch {
	case files == 0:
		ts.Fatalf("there are no files")
	case neg && len(found) == 0:
		ts.Fatalf("no secret was found in %d files", files)
	case !neg && len(found) > 0:
		ts.Fatalf("%s", strings.Join(found, "\n"))
	}
}

// formOf is the form in which a text has a secret, "" when it has it in none.
func formOf(text []byte, secret string) string {
	quoted, _ := json.Marshal(secret) // a string always can
	forms := []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), url.QueryEscape(url.QueryEscape(secret)),
		strings.ToLower(url.QueryEscape(secret)), strings.Trim(string(quoted), `"`), hex.EncodeToString([]byte(secret)),
	}
	for _, coding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		// Where a secret begins within a group of three bytes depends on what is
		// before it; what is around it changes the first and last characters.
		for before := range 3 {
			s := coding.EncodeToString([]byte(strings.Repeat("x", before) + secret))
			whole := len(s) * 6 / 24 * 4
			forms = append(forms, s[(before+2)/3*4:min(whole, len(s))])
		}
	}
	for _, f := range forms {
		if bytes.Contains(text, []byte(f)) {
			return f
		}
	}
	return ""
}
