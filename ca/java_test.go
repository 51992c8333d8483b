package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"
)

// pemOf writes certificates as PEM.
func pemOf(ders ...[]byte) string {
	var b strings.Builder
	for _, der := range ders {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return b.String()
}

func derOf(t testing.TB, text string) []byte {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatal("no certificate in a fixture")
	}
	return block.Bytes
}

// jks is a trust store as a JDK ships it.
func jks(t testing.TB, password string, certs ...string) string {
	t.Helper()
	ks := keystore.New(keystore.WithMinPasswordLen(0))
	for i, c := range certs {
		entry := keystore.TrustedCertificateEntry{
			CreationTime: time.Unix(1, 0),
			Certificate:  keystore.Certificate{Type: "X.509", Content: derOf(t, c)},
		}
		if err := ks.SetTrustedCertificateEntry("root"+string(rune('a'+i)), entry); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := ks.Store(&b, []byte(password)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func p12(t testing.TB, encoder *pkcs12.Encoder, password string, certs ...string) string {
	t.Helper()
	var all []*x509.Certificate
	for _, c := range certs {
		parsed, err := x509.ParseCertificate(derOf(t, c))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, parsed)
	}
	data, err := encoder.EncodeTrustStore(all, password)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestMergeJava(t *testing.T) {
	one, two, extra, own := newPEM(t), newPEM(t), newPEM(t), newPEM(t)
	for _, c := range []struct {
		name, store string
		more        []string
		want        []string
	}{
		{"new", "", []string{one, own}, []string{one, own}},
		{"JKS", jks(t, javaPassword, one, two), []string{extra, own}, []string{one, two, extra, own}},
		{"JKS with a password of its own", jks(t, "s3cret", one, two), []string{own}, []string{one, two, own}},
		{"empty JKS", jks(t, javaPassword), []string{own}, []string{own}},
		{"modern PKCS12", p12(t, pkcs12.Modern, javaPassword, one, two), []string{own}, []string{one, two, own}},
		{"old PKCS12", p12(t, pkcs12.LegacyRC2, javaPassword, one, two), []string{own}, []string{one, two, own}},
		{"PKCS12 without a password", p12(t, pkcs12.Passwordless, "", one, two), []string{own}, []string{one, two, own}},
		{"there already", jks(t, javaPassword, one), []string{one + two + two, own}, []string{one, two, own}},
		{"more holds a key and damage", jks(t, javaPassword, one), []string{
			"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n" +
				"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + two, own,
		}, []string{one, two, own}},
	} {
		var more [][]byte
		for _, m := range c.more {
			more = append(more, []byte(m))
		}
		got, err := mergeJava([]byte(c.store), more...)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		// A JVM reads JKS without being told a password, PKCS12 not always.
		if !bytes.HasPrefix(got, []byte("\xfe\xed\xfe\xed\x00\x00\x00\x02")) {
			t.Errorf("%s: the result is no JKS store of version 2", c.name)
		}
		ks := keystore.New()
		if err := ks.Load(bytes.NewReader(got), []byte(javaPassword)); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var ders [][]byte
		for _, alias := range ks.Aliases() {
			// A JVM looks up how to read an entry by its type, as keytool writes it.
			e, err := ks.GetTrustedCertificateEntry(alias)
			if err != nil || e.Certificate.Type != "X.509" {
				t.Errorf("%s: entry %s: %v %q", c.name, alias, err, e.Certificate.Type)
			}
			ders = append(ders, e.Certificate.Content)
		}
		if all := pemOf(ders...); len(ders) != len(c.want) || !sameCertificates([]byte(all), c.want...) {
			t.Errorf("%s: %d certificates, want %d", c.name, len(ders), len(c.want))
		}
		// What is written can be read and merged again.
		again, err := mergeJava(got, more...)
		if err != nil {
			t.Errorf("%s: second merge: %v", c.name, err)
		}
		if back, err := storeCertificates(again, javaPassword); err != nil || len(back) != len(c.want) {
			t.Errorf("%s: second merge: %d certificates, %v", c.name, len(back), err)
		}
	}
}

func TestMergeJavaRefusesGarbage(t *testing.T) {
	one := newPEM(t)
	whole := jks(t, javaPassword, one)
	for name, store := range map[string]string{
		"text":                 "not a store",
		"PEM":                  one,
		"JKS that is cut off":  whole[:len(whole)/2],
		"JKS with a bad entry": strings.Replace(whole, string(derOf(t, one)[:4]), "\x00\x01\x02\x03", 1),
		"magic alone":          "\xfe\xed\xfe\xed",
		"other keystore":       "\xce\xce\xce\xce" + whole[4:],
		"PKCS12, own password": p12(t, pkcs12.Modern, "s3cret", one),
		"PKCS12 that is cut":   p12(t, pkcs12.Modern, javaPassword, one)[:100],
	} {
		if got, err := mergeJava([]byte(store), []byte(one)); err == nil {
			t.Errorf("%s: a store of %d bytes is written in its place", name, len(got))
		}
	}
}

func TestStorePassword(t *testing.T) {
	one := newPEM(t)
	for name, store := range map[string]string{
		"PKCS12": p12(t, pkcs12.Modern, "s3cret", one),
		"JKS":    jks(t, "s3cret", one),
	} {
		ders, err := storeCertificates([]byte(store), "s3cret")
		if err != nil || !sameCertificates([]byte(pemOf(ders...)), one) {
			t.Errorf("%s: %d certificates, %v", name, len(ders), err)
		}
	}
	if ders, err := storeCertificates([]byte(p12(t, pkcs12.Modern, "s3cret", one)), "wrong"); err == nil {
		t.Errorf("PKCS12 with another password: %d certificates", len(ders))
	}
}
