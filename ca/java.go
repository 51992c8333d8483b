package ca

import (
	"bytes"
	"crypto/sha1" // part of the JKS format; it secures nothing
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"
)

// javaPassword protects nothing: it is the one that every JDK ships with and
// that a JVM assumes. A JKS store is read without it as well, which is why that
// is the format to write.
const javaPassword = "changeit"

// mergeJava gives a Java trust store more certificates. The store may be JKS or
// PKCS12, or empty for a new one; the result is JKS.
func mergeJava(store []byte, more ...[]byte) ([]byte, error) {
	var ders [][]byte
	for _, m := range more {
		ders = slices.AppendSeq(ders, certificates(m))
	}
	if merged, ok := addToJKS(store, ders); ok {
		return merged, nil
	}
	out := keystore.New(keystore.WithMinPasswordLen(0))
	has := map[string]bool{}
	if len(store) > 0 {
		old, err := storeCertificates(store, javaPassword)
		if err != nil {
			return nil, err
		}
		for _, der := range old {
			if err := addJava(out, has, der); err != nil {
				return nil, err
			}
		}
	}
	for _, der := range ders {
		if err := addJava(out, has, der); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	if err := out.Store(&b, []byte(javaPassword)); err != nil {
		return nil, fmt.Errorf("write the JKS store: %w", err)
	}
	return b.Bytes(), nil
}

// storeCertificates are the trusted certificates, DER, of a PKCS12 store or of a
// JKS store, which needs no password.
func storeCertificates(store []byte, password string) ([][]byte, error) {
	var ders [][]byte
	if !bytes.HasPrefix(store, []byte{0xfe, 0xed, 0xfe, 0xed}) {
		all, err := pkcs12.DecodeTrustStore(store, password)
		if err != nil {
			all, err = pkcs12.DecodeTrustStore(store, "")
		}
		if err != nil {
			return nil, fmt.Errorf("read the PKCS12 store: %w", err)
		}
		for _, c := range all {
			ders = append(ders, c.Raw)
		}
		return ders, nil
	}
	in := keystore.New(keystore.WithOrderedAliases(), keystore.WithMinPasswordLen(0))
	if err := in.Load(bytes.NewReader(sealed(store)), []byte(javaPassword)); err != nil {
		return nil, fmt.Errorf("read the JKS store: %w", err)
	}
	for _, alias := range in.Aliases() {
		if e, err := in.GetTrustedCertificateEntry(alias); err == nil {
			if !hasShape(e.Certificate.Content) {
				return nil, fmt.Errorf("read the JKS store: entry %q is no certificate", alias)
			}
			ders = append(ders, e.Certificate.Content)
		}
	}
	return ders, nil
}

// sealed is a JKS store as written with javaPassword. The last bytes are a
// digest of the password and the rest; a JVM that is told no password does not
// check it either.
func sealed(store []byte) []byte {
	if len(store) < sha1.Size {
		return store
	}
	data := store[:len(store)-sha1.Size]
	return slices.Concat(data, jksDigest(data))
}

func digest(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func addJava(to keystore.KeyStore, has map[string]bool, der []byte) error {
	alias := digest(der)
	if has[alias] {
		return nil
	}
	has[alias] = true
	err := to.SetTrustedCertificateEntry(alias, keystore.TrustedCertificateEntry{
		// A fixed time: the same certificates make the same file.
		CreationTime: time.Unix(0, 0),
		Certificate:  keystore.Certificate{Type: "X.509", Content: der},
	})
	if err != nil {
		return fmt.Errorf("add to the JKS store: %w", err)
	}
	return nil
}
