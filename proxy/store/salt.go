package store

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
)

const (
	saltName = private + "/salt"
	saltSize = 32
)

// loadSalt reads the directory's salt, or takes that of one below, or makes one. A read-only directory
// without one gets a salt for this process alone.
func (s *Store) loadSalt(lower []*Store) error {
	salt, err := s.root.ReadFile(saltName)
	if err == nil && len(salt) == saltSize {
		s.salt = salt
		return nil
	}
	if s.salt = adoptedSalt(lower); s.salt == nil {
		s.salt = make([]byte, saltSize)
		rand.Read(s.salt)
	}
	if s.readOnly {
		return nil
	}
	temp := tempDir + "/" + randomName()
	if err := s.root.WriteFile(temp, s.salt, 0o600); err != nil {
		return err
	}
	defer s.root.Remove(temp)
	// The first process wins: link(2) does not replace.
	err = s.root.Link(temp, saltName)
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrExist) {
		if salt, err = s.root.ReadFile(saltName); err == nil && len(salt) == saltSize {
			s.salt = salt
			return nil
		}
	}
	return s.root.Rename(temp, saltName) // no hard links here, or a damaged salt
}

// Hash gives a name to a secret, such as a request's credentials, that cannot
// be turned back and differs from directory to directory.
func (s *Store) Hash(secret string) string {
	mac := hmac.New(sha256.New, s.salt)
	mac.Write([]byte(secret))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}
