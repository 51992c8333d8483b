package ca

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/smallstep/truststore"
)

// systemPlace is the file that truststore writes for a certificate.
func systemPlace(cert *x509.Certificate) (string, error) {
	if truststore.SystemTrustCommand == nil {
		return "", errors.New("where this system keeps its roots is not known")
	}
	if cert == nil {
		return "", nil
	}
	return fmt.Sprintf(truststore.SystemTrustFilename, strings.ReplaceAll(nickname(cert), " ", "_")), nil
}

// systemTrust is the system's store.
type systemTrust struct{ file string }

func (t systemTrust) Name() string { return "system" }

// PreCheck makes sure that the command that builds the store is there, and that
// there is a right to run it.
func (t systemTrust) PreCheck() error {
	name := truststore.SystemTrustCommand[0]
	if os.Geteuid() == 0 {
		if !hasProgram(name) {
			return fmt.Errorf("%s is missing: install the package ca-certificates", name)
		}
		return nil
	}
	return mayBecomeRoot()
}

// ErrNotRoot tells that a store is not this user's to change.
var ErrNotRoot = errors.New("only root can change it")

// mayBecomeRoot asks sudo, which truststore changes the system with, whether it
// would; with a terminal it may ask for a password there.
func mayBecomeRoot() error {
	if !hasProgram("sudo") {
		return fmt.Errorf("%w, and there is no sudo", ErrNotRoot)
	}
	if exec.Command("sudo", "-n", "true").Run() == nil {
		return nil
	}
	if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
		tty.Close()
		return nil
	}
	return fmt.Errorf("%w, and sudo has no terminal to ask for a password", ErrNotRoot)
}

func (t systemTrust) Install(file string, _ *x509.Certificate) error {
	return truststore.InstallFile(file)
}

func (t systemTrust) Uninstall(_ string, cert *x509.Certificate) error {
	if err := truststore.Uninstall(cert); err != nil || !t.linked() {
		return err
	}
	return t.unlink()
}

// link is Debian's link to the file. Its update-ca-certificates leaves the link
// and Java's copy behind when all that has happened is that the file is gone.
func (t systemTrust) link() string {
	return "/etc/ssl/certs/" + strings.TrimSuffix(filepath.Base(t.file), ".crt") + ".pem"
}

func (t systemTrust) linked() bool {
	to, err := os.Readlink(t.link())
	return err == nil && to == t.file
}

// unlink has update-ca-certificates take the certificate out by name, with all
// that its hooks have made of it: the way is a line with "!" in its
// configuration (update-ca-certificates(8)), here in a copy.
func (t systemTrust) unlink() error {
	lines, err := os.ReadFile("/etc/ca-certificates.conf")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp("", "cachex-certificates-*.conf")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = fmt.Fprintf(f, "%s\n!%s\n", lines, filepath.Base(t.file))
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	cmd := truststore.CommandWithSudo("update-ca-certificates", "--certsconf", f.Name())
	if out, err := cmd.CombinedOutput(); err != nil {
		return truststore.NewCmdError(err, cmd, out)
	}
	return nil
}

// Exists tells whether anything of the certificate is there.
func (t systemTrust) Exists(cert *x509.Certificate) bool {
	if t.linked() {
		return true
	}
	b, err := os.ReadFile(t.file)
	if err != nil {
		return false
	}
	block, _ := pem.Decode(b)
	return block != nil && bytes.Equal(block.Bytes, cert.Raw)
}

// detach takes the terminal away, so that a program cannot wait for an answer.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
