package ca

import (
	"bytes"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/pem"
	"slices"
)

// merge puts before a PEM bundle own, which is new in every run, and the extras
// that the bundle has not yet. The bundle stays as it is, comments included;
// behind it, damage at its end could hide what follows. Blocks that are not
// certificates are not added.
func merge(bundle []byte, extras [][]byte, own []byte) []byte {
	out := make([]byte, 0, len(own)+len(bundle)+1)
	out = append(out, own...)
	for _, der := range missing(bundle, extras) {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return ended(append(out, bundle...))
}

// missing gives each certificate of the extras that a bundle has not, once.
func missing(bundle []byte, extras [][]byte) (ders [][]byte) {
	if len(extras) == 0 { // decoding a whole bundle takes milliseconds
		return nil
	}
	has := map[[sha256.Size]byte]bool{}
	for der := range certificates(bundle) {
		has[sha256.Sum256(der)] = true
	}
	for _, extra := range extras {
		for der := range certificates(extra) {
			if sum := sha256.Sum256(der); !has[sum] {
				has[sum] = true
				ders = append(ders, der)
			}
		}
	}
	return ders
}

// ended makes the last line end: one that ends with a carriage return alone is
// not read as the end of a certificate.
func ended(b []byte) []byte {
	if bytes.HasSuffix(b, []byte("\n")) {
		return b
	}
	return append(slices.Clip(b), '\n')
}

// certificates yields the certificates of a PEM file. "X509 CERTIFICATE" is an
// old name of the same; "TRUSTED CERTIFICATE" is OpenSSL's form with rules
// attached, which other programs don't read.
func certificates(b []byte) func(yield func(der []byte) bool) {
	return func(yield func([]byte) bool) {
		for b := ended(b); ; {
			var block *pem.Block
			if block, b = pem.Decode(b); block == nil {
				return
			}
			if block.Type != "CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
				continue
			}
			if hasShape(block.Bytes) && !yield(block.Bytes) {
				return
			}
		}
	}
}

// hasShape tells whether DER bytes are a certificate from afar. A block that is
// none makes OpenSSL and JVMs refuse the whole file. crypto/x509 would refuse
// certificates too that others accept, such as those with a negative number.
func hasShape(der []byte) bool {
	var c struct {
		Body, Algorithm asn1.RawValue
		Signature       asn1.BitString
	}
	rest, err := asn1.Unmarshal(der, &c)
	return err == nil && len(rest) == 0 && c.Body.IsCompound && c.Algorithm.IsCompound
}
