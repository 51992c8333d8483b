package ca

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/smallstep/truststore"
)

// A Store is a place that programs outside of runs take their roots from.
type Store struct {
	// Kind is "system", "nss" (Firefox, Chromium) or "java".
	Kind string `json:"kind"`
	// Place is the file or directory that changes.
	Place string `json:"place"`
}

// StoreKinds lists the kinds of stores.
func StoreKinds() []string { return []string{"system", "nss", "java"} }

// FindStores lists the stores of a kind that a certificate can be put into here.
// When there is none the error says why. Without a certificate the system's store
// has no Place yet.
func FindStores(kind string, cert *x509.Certificate, getenv func(string) string) ([]Store, error) {
	switch kind {
	case "system":
		place, err := systemPlace(cert)
		if err != nil {
			return nil, err
		}
		return []Store{{kind, place}}, nil
	case "nss":
		return nssStores(getenv("HOME"))
	case "java":
		return javaStore(getenv("JAVA_HOME"))
	}
	return nil, fmt.Errorf("unknown store %q: it is one of %s", kind, strings.Join(StoreKinds(), ", "))
}

// trust is how the store is changed.
func (s Store) trust() truststore.Trust {
	switch s.Kind {
	case "nss":
		return nssTrust{s.Place}
	case "java":
		return javaTrust{s.Place}
	}
	return systemTrust{s.Place}
}

// Check tells whether the store could be changed, without changing it.
func (s Store) Check() error { return s.trust().PreCheck() }

// Has tells whether the certificate is in the store. It fails when the program
// that could tell is missing.
func (s Store) Has(cert *x509.Certificate) (bool, error) {
	t := s.trust()
	if s.Kind != "system" {
		if _, err := os.Stat(s.Place); errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err := t.PreCheck(); err != nil {
			return false, err
		}
	}
	return t.Exists(cert), nil
}

// Add puts the certificate in.
func (s Store) Add(cert *x509.Certificate) error {
	t := s.trust()
	if err := t.PreCheck(); err != nil {
		return err // truststore would leave it out without a word
	}
	if err := truststore.Install(cert, truststore.WithNoSystem(), truststore.WithTrust(t)); err != nil {
		return told(err)
	}
	if !t.Exists(cert) {
		return errors.New("it is not there afterwards")
	}
	return nil
}

// Remove takes the certificate out. It is no error that it is not there.
func (s Store) Remove(cert *x509.Certificate) error {
	if has, err := s.Has(cert); err != nil || !has {
		return err
	}
	t := s.trust()
	if err := t.PreCheck(); err != nil {
		return err
	}
	if err := truststore.Uninstall(cert, truststore.WithNoSystem(), truststore.WithTrust(t)); err != nil {
		return told(err)
	}
	if t.Exists(cert) {
		return errors.New("it is still there")
	}
	return nil
}

// told adds what a program had to say to the error that it failed.
func told(err error) error {
	var failed *truststore.CmdError
	if !errors.As(err, &failed) {
		return err
	}
	said := strings.Join(strings.Fields(string(failed.Out())), " ")
	if said == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, said)
}

// nickname is what truststore calls a certificate in the system's store, and we
// in all.
func nickname(cert *x509.Certificate) string {
	return cert.Subject.CommonName + " " + cert.SerialNumber.String()
}

// nssTrust is one database of NSS. truststore's own looks into two places of
// many, says nothing about a database that failed, and leaves a certificate that
// has expired where it is.
type nssTrust struct{ dir string }

// nssPlaces are patterns of where Firefox, with Snap's and Flatpak's, and
// Chromium keep theirs, below the home directory.
func nssPlaces() []string {
	return []string{
		".pki/nssdb",
		".mozilla/firefox/*",
		"snap/firefox/common/.mozilla/firefox/*",
		"snap/chromium/current/.pki/nssdb",
		".var/app/org.mozilla.firefox/.mozilla/firefox/*",
	}
}

func nssStores(home string) ([]Store, error) {
	var found []Store
	for _, pattern := range nssPlaces() {
		dirs, _ := filepath.Glob(filepath.Join(home, pattern)) // fails for a wrong pattern alone
		for _, d := range dirs {
			if _, err := os.Stat(filepath.Join(d, "cert9.db")); err == nil {
				found = append(found, Store{"nss", d})
			}
		}
	}
	switch {
	case len(found) == 0:
		return nil, errors.New("there is no database (cert9.db) in the home directory")
	case !hasProgram("certutil"):
		return nil, fmt.Errorf("it takes certutil: install libnss3-tools (Debian) or nss-tools")
	}
	return found, nil
}

func (t nssTrust) Name() string { return "nss" }

func (t nssTrust) PreCheck() error {
	if !hasProgram("certutil") {
		return errors.New("certutil is missing: install libnss3-tools (Debian) or nss-tools")
	}
	return nil
}

func (t nssTrust) Install(file string, cert *x509.Certificate) error {
	return t.certutil("-A", "-t", "C,,", "-n", nickname(cert), "-i", file)
}

func (t nssTrust) Uninstall(_ string, cert *x509.Certificate) error {
	return t.certutil("-D", "-n", nickname(cert))
}

func (t nssTrust) Exists(cert *x509.Certificate) bool {
	return t.certutil("-L", "-n", nickname(cert)) == nil
}

func (t nssTrust) certutil(args ...string) error {
	return runProgram("certutil", append(args, "-d", "sql:"+t.dir)...)
}

// javaTrust is the trust store of a JDK. truststore's own is that of JAVA_HOME
// as it is now, which may be another than when the certificate was put in.
type javaTrust struct{ file string }

func javaStore(home string) ([]Store, error) {
	if home == "" {
		return nil, errors.New("JAVA_HOME names no JDK")
	}
	for _, name := range javaStoreNames() {
		file := filepath.Join(home, filepath.FromSlash(name))
		if _, err := os.Stat(file); err == nil {
			s := Store{"java", file}
			return []Store{s}, s.trust().PreCheck()
		}
	}
	return nil, fmt.Errorf("there is no trust store in JAVA_HOME, %s", home)
}

func (t javaTrust) Name() string { return "java" }

func (t javaTrust) PreCheck() error {
	if !hasProgram(t.keytool()) {
		return errors.New("keytool is missing beside " + t.file)
	}
	return nil
}

// keytool is that of the JDK, or of the JDK that a JRE is in.
func (t javaTrust) keytool() string {
	home := filepath.Dir(filepath.Dir(filepath.Dir(t.file)))
	for _, dir := range []string{home, filepath.Dir(home)} {
		if k := filepath.Join(dir, "bin", "keytool"); hasProgram(k) {
			return k
		}
	}
	return "keytool"
}

func (t javaTrust) Install(file string, cert *x509.Certificate) error {
	return t.run("-importcert", "-noprompt", "-alias", nickname(cert), "-file", file)
}

func (t javaTrust) Uninstall(_ string, cert *x509.Certificate) error {
	return t.run("-delete", "-alias", nickname(cert))
}

func (t javaTrust) Exists(cert *x509.Certificate) bool {
	return t.run("-list", "-alias", nickname(cert)) == nil
}

func (t javaTrust) run(args ...string) error {
	return runProgram(t.keytool(), append(args, "-keystore", t.file, "-storepass", javaPassword)...)
}

func hasProgram(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

// programPatience is longer than keytool takes on a busy machine.
const programPatience = time.Minute

// runProgram runs a program that may have no question for anyone.
func runProgram(name string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), programPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	detach(cmd)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return truststore.NewCmdError(err, cmd, out)
	}
	return nil
}

// Installed is what a Directory remembers of its certificate's whereabouts. It
// has the certificate too, so that it can be removed when its file is damaged.
type Installed struct {
	PEM    string  `json:"certificate"`
	Stores []Store `json:"stores"`
}

// Installed reads what was noted; nothing noted is the zero value.
func (d Directory) Installed() (Installed, error) {
	var in Installed
	b, err := os.ReadFile(filepath.Join(string(d), installedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return in, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &in)
	}
	if err != nil {
		return Installed{}, fmt.Errorf("%w: %s: %w", ErrDamaged, filepath.Join(string(d), installedFile), err)
	}
	return in, nil
}

// Certificate is the one that was noted.
func (in Installed) Certificate() (*x509.Certificate, error) { return parseCertificate([]byte(in.PEM)) }

// NoteInstalled notes the stores that have, or may have, the certificate.
func (d Directory) NoteInstalled(cert *x509.Certificate, stores []Store) error {
	in := Installed{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})), slices.Clone(stores)}
	b, err := json.MarshalIndent(in, "", "  ")
	if err != nil {
		return err
	}
	tmp := filepath.Join(string(d), "."+installedFile)
	if err := os.WriteFile(tmp, append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(string(d), installedFile))
}
