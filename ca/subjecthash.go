package ca

import (
	"bytes"
	"crypto/sha1" // OpenSSL's choice; it names a file and secures nothing
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"strings"
)

// subjectHash is the name under which OpenSSL looks for a certificate in a
// directory, without the ".0" (X509_NAME_hash(3), c_rehash(1)): the first four
// bytes, little-endian, of the SHA-1 of the name's canonical form.
func subjectHash(rawSubject []byte) (string, error) {
	canonical, err := canonicalName(rawSubject)
	if err != nil {
		return "", fmt.Errorf("subject: %w", err)
	}
	sum := sha1.Sum(canonical)
	return fmt.Sprintf("%08x", binary.LittleEndian.Uint32(sum[:])), nil
}

type attribute struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

// canonicalName writes the RDNs one after the other, strings as UTF-8 in lower
// case with single blanks (OpenSSL crypto/x509/x_name.c).
func canonicalName(raw []byte) ([]byte, error) {
	var rdns []asn1.RawValue
	if _, err := asn1.Unmarshal(raw, &rdns); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, rdn := range rdns {
		var set []attribute
		if _, err := asn1.UnmarshalWithParams(rdn.FullBytes, &set, "set"); err != nil {
			return nil, err
		}
		for i := range set {
			switch set[i].Value.Tag {
			case asn1.TagUTF8String, asn1.TagPrintableString, asn1.TagIA5String:
				text := strings.Join(strings.Fields(asciiLower(string(set[i].Value.Bytes))), " ")
				set[i].Value = asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(text)}
			}
		}
		b, err := asn1.MarshalWithParams(set, "set")
		if err != nil {
			return nil, err
		}
		out.Write(b)
	}
	return out.Bytes(), nil
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
