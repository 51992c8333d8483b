package ca

import (
	"bytes"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
)

// Without is a file without the authority, which a program may have copied there
// from a store that had it: a PEM file without its block and the comment right
// before that, a Java trust store without its entry. found tells whether it was
// there; a file of nothing else gives nil.
func (a *Authority) Without(data []byte) (rest []byte, found bool) {
	if bytes.Contains(data, a.cert.Raw) {
		return a.withoutJava(data)
	}
	own := bytes.TrimSpace(a.PEM())
	for {
		before, after, ok := bytes.Cut(data, own)
		if !ok {
			break
		}
		found = true
		// update-ca-trust puts the name of each certificate above it.
		for {
			above := bytes.LastIndexByte(bytes.TrimSuffix(before, []byte("\n")), '\n') + 1
			if !bytes.HasPrefix(before[above:], []byte("#")) {
				break
			}
			before = before[:above]
		}
		data = append(bytes.Clone(before), bytes.TrimPrefix(after, []byte("\n"))...)
	}
	if found && len(bytes.TrimSpace(data)) == 0 {
		return nil, true
	}
	return data, found
}

// withoutJava takes the entry out of a JKS store. One of another kind stays as it
// is: what writes PKCS12 is keytool alone, which is not told of the authority.
func (a *Authority) withoutJava(data []byte) ([]byte, bool) {
	s := keystore.New(keystore.WithMinPasswordLen(0), keystore.WithOrderedAliases())
	if err := s.Load(bytes.NewReader(sealed(data)), []byte(javaPassword)); err != nil {
		return data, false
	}
	found := false
	for _, alias := range s.Aliases() {
		if e, err := s.GetTrustedCertificateEntry(alias); err == nil && bytes.Equal(e.Certificate.Content, a.cert.Raw) {
			s.DeleteEntry(alias)
			found = true
		}
	}
	var b bytes.Buffer
	if err := s.Store(&b, []byte(javaPassword)); err != nil || !found {
		return data, false
	}
	return b.Bytes(), true
}
