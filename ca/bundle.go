package ca

import (
	"bytes"
	"crypto/sha256"
	"encoding/pem"
)

// merge adds certificates to a PEM bundle. The bundle stays as it is, comments
// included; what it has already is not added again. Blocks that are not
// certificates are not added.
func merge(bundle []byte, more ...[]byte) []byte {
	has := map[[sha256.Size]byte]bool{}
	for der := range certificates(bundle) {
		has[sha256.Sum256(der)] = true
	}
	out := bytes.Clone(bundle)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	for _, m := range more {
		for der := range certificates(m) {
			if sum := sha256.Sum256(der); !has[sum] {
				has[sum] = true
				out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
			}
		}
	}
	return out
}

// certificates yields the certificates of a PEM file. "TRUSTED CERTIFICATE" is
// OpenSSL's form with rules attached, which other programs don't read.
func certificates(b []byte) func(yield func(der []byte) bool) {
	return func(yield func([]byte) bool) {
		for {
			var block *pem.Block
			if block, b = pem.Decode(b); block == nil {
				return
			}
			if block.Type == "CERTIFICATE" && !yield(block.Bytes) {
				return
			}
		}
	}
}
