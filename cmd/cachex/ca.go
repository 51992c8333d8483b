package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cachex/ca"
)

const caLong = `Keep a permanent certificate authority, for programs outside of "cachex run":
browsers, IDEs, a proxy that several machines share. "cachex run" does not need
it and never looks at it: each run has an authority of its own, which ends with
the run.

The authority is made by "cachex ca install": a P-256 key, good for 825 days,
with your user and host in its name, in cachex/ca of your configuration
directory. Whoever has its key can read what the programs that trust it send:
the file has the mode 0600 and belongs nowhere else.

` + caSections

// caSections ends the help of those that have no flags.
const caSections = `EXIT STATUS
  0 success, 1 failure, 2 wrong use

ENVIRONMENT
  XDG_CONFIG_HOME is the configuration directory, else $HOME/.config.`

const caInstallLong = `Make the authority, if there is none, and put its certificate into the stores
that programs take their roots from:

  system  the system's own (with sudo, when you are not root)
  nss     the databases of Firefox and Chromium in your home (certutil)
  java    that of the JDK in JAVA_HOME (keytool)

Without --store that is the system's store, and each of the others that is here.
Each one that changes is printed. When one fails, those before it are emptied
again, and an authority that was just made is removed.

EXIT STATUS
  0 success, 1 failure, 2 wrong use

ENVIRONMENT
  CACHEX_STORE     a default for --store, a list separated by commas
  JAVA_HOME        the JDK whose store it is
  XDG_CONFIG_HOME  the configuration directory, else $HOME/.config`

const caUninstallLong = `Take the authority's certificate out of every store that it was put into, and
remove the authority itself. Each store that changes is printed. When one fails
the others are emptied all the same, and the authority stays, so that the
command can be run again.

EXIT STATUS
  0 success, also when there was nothing to remove; 1 failure, 2 wrong use

ENVIRONMENT
  JAVA_HOME        the JDK whose store it is
  XDG_CONFIG_HOME  the configuration directory, else $HOME/.config`

// caCommand is what the commands of "cachex ca" have in common.
type caCommand struct {
	io    streams
	dir   ca.Directory
	kinds []string // --store
}

func newCACommand(io streams) *cobra.Command {
	o := &caCommand{io: io}
	c := &cobra.Command{
		Use: "ca", Short: "Keep a permanent certificate authority", Long: caLong, Args: noArguments,
		Example: "  cachex ca install\n  cachex ca print > authority.pem\n  cachex ca uninstall",
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	sub := func(name, short, long string, run func() error) *cobra.Command {
		return &cobra.Command{
			Use: name, Short: short, Long: long, Args: noArguments,
			Example: "  cachex ca " + name,
			RunE: func(c *cobra.Command, _ []string) error {
				if err := fromEnvironment(c.Flags(), os.Getenv); err != nil {
					return err
				}
				config, err := os.UserConfigDir()
				if err != nil {
					return fmt.Errorf("no configuration directory: %w", err)
				}
				o.dir = ca.Directory(filepath.Join(config, "cachex", "ca"))
				return caError(run(), o.dir)
			},
		}
	}
	install := sub("install", "Make the authority and have programs trust it", caInstallLong, o.install)
	install.Example = "  cachex ca install\n  cachex ca install --store nss"
	install.Flags().StringArrayVar(&o.kinds, "store", nil, "`STORE` to put it into: system, nss or java (repeatable)")
	c.AddCommand(
		sub("print", "Print the authority's certificate (PEM)", "Print the authority's certificate, in PEM, on standard output.\n\n"+caSections, o.print),
		sub("path", "Print where the certificate is", "Print the path of the authority's certificate. Its key is beside it.\n\n"+caSections, o.path),
		install,
		sub("uninstall", "Remove the authority from every store and from disk", caUninstallLong, o.uninstall),
	)
	return c
}

func noArguments(c *cobra.Command, args []string) error {
	switch {
	case len(args) > 0 && c.HasSubCommands():
		return unknownCommand(c, args)
	case len(args) > 0:
		return &usageError{fmt.Errorf("unexpected argument %q", args[0]), c.CommandPath()}
	}
	return nil
}

// caError adds to an error what can be done about it.
func caError(err error, dir ca.Directory) error {
	hint := ""
	var exit *exitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit):
		return err
	case errors.Is(err, ca.ErrNoAuthority):
		hint = "cachex ca install makes one"
	case errors.Is(err, ca.ErrExposed):
		hint = fmt.Sprintf("chmod 600 %s; chmod 700 %s; if others may have read it: cachex ca uninstall, and install again", dir.KeyFile(), dir)
	case errors.Is(err, ca.ErrExpired), errors.Is(err, ca.ErrDamaged):
		hint = "cachex ca uninstall removes it, and cachex ca install makes a new one"
	case errors.Is(err, ca.ErrNotRoot):
		hint = "run it as root or with a terminal for sudo, or name a store of your own: --store nss"
	default:
		return err
	}
	return &exitError{err, exitFailure, hint}
}

func (o *caCommand) print() error {
	a, err := o.dir.Open(time.Now())
	if err != nil {
		return err
	}
	_, err = o.io.out.Write(a.PEM())
	return err
}

func (o *caCommand) path() error {
	if _, err := os.Stat(o.dir.CertificateFile()); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = ca.ErrNoAuthority
		}
		return err
	}
	_, err := fmt.Fprintln(o.io.out, o.dir.CertificateFile())
	return err
}

func (o *caCommand) say(format string, args ...any) { fmt.Fprintf(o.io.out, format+"\n", args...) }

// install is all or nothing.
func (o *caCommand) install() error {
	for _, k := range o.kinds {
		if !slices.Contains(ca.StoreKinds(), k) {
			err := fmt.Errorf("unknown store %q: it is one of %s", k, strings.Join(ca.StoreKinds(), ", "))
			return &usageError{unknownWord(err, k, ca.StoreKinds(), "%s"), "cachex ca install"}
		}
	}
	made := false
	cert, err := o.opened()
	if errors.Is(err, ca.ErrNoAuthority) {
		if _, _, err := o.stores(nil); err != nil {
			return err // before anything is made
		}
		if err := o.dir.Make(owner(), time.Now()); err != nil {
			return fmt.Errorf("make the authority: %w", err)
		}
		made = true
		cert, err = o.opened()
	}
	if err == nil {
		err = o.installAll(cert, made)
	}
	if err != nil && made {
		if in, e := o.dir.Installed(); e == nil && len(in.Stores) == 0 {
			err = errors.Join(err, o.dir.Remove())
		}
	}
	return err
}

// opened is the certificate of an authority that can be used.
func (o *caCommand) opened() (*x509.Certificate, error) {
	if _, err := o.dir.Open(time.Now()); err != nil {
		return nil, err
	}
	return o.dir.Certificate()
}

func (o *caCommand) installAll(cert *x509.Certificate, made bool) error {
	stores, skipped, err := o.stores(cert)
	if err != nil {
		return err
	}
	if made {
		o.say("made %s, good until %s", o.dir.CertificateFile(), cert.NotAfter.Format(time.DateOnly))
		o.say("made %s", o.dir.KeyFile())
	}
	before, err := o.dir.Installed()
	if err != nil {
		return err
	}
	noted := slices.Clone(before.Stores)
	var added []ca.Store
	for _, s := range stores {
		if has, err := s.Has(cert); err == nil && has { // an error comes again
			o.say("unchanged: %s", described(s))
			continue
		}
		// Noted first: a store that an end in the middle left changed is known.
		if !slices.Contains(noted, s) {
			noted = append(noted, s)
		}
		if err := o.dir.NoteInstalled(cert, noted); err != nil {
			return err
		}
		added = append(added, s)
		if err := s.Add(cert); err != nil {
			return o.undo(cert, before.Stores, added, fmt.Errorf("%s: %w", described(s), err))
		}
		o.say("added to %s", described(s))
	}
	for _, line := range skipped {
		o.say("%s", line)
	}
	return nil
}

// stores are those to put a certificate into, and words about those that are not
// here. The certificate is nil when it is still to be made.
func (o *caCommand) stores(cert *x509.Certificate) (stores []ca.Store, skipped []string, err error) {
	kinds := o.kinds
	if len(kinds) == 0 {
		kinds = ca.StoreKinds()
	}
	for _, k := range kinds {
		found, err := ca.FindStores(k, cert, os.Getenv)
		if err == nil && k == "system" {
			err = checkSystem(found[0], cert)
		}
		switch {
		case err == nil:
			stores = append(stores, found...)
		case len(o.kinds) > 0 || k == "system":
			return nil, nil, fmt.Errorf("%s: %w", storeName(k), err)
		default:
			skipped = append(skipped, fmt.Sprintf("left out: %s: %v", storeName(k), err))
		}
	}
	return stores, skipped, nil
}

// checkSystem makes sure that the system's store can be changed, if it has to be.
func checkSystem(s ca.Store, cert *x509.Certificate) error {
	if cert != nil {
		if has, err := s.Has(cert); err != nil || has {
			return err
		}
	}
	return s.Check()
}

// undo empties the stores that were just filled, the last one first, and says
// what is left.
func (o *caCommand) undo(cert *x509.Certificate, before, added []ca.Store, cause error) error {
	left := slices.Clone(before)
	for _, s := range slices.Backward(added) {
		if err := s.Remove(cert); err != nil {
			o.say("not taken out of %s: %v", described(s), err)
			left = append(left, s)
			continue
		}
		o.say("taken out of %s", described(s))
	}
	if err := o.dir.NoteInstalled(cert, left); err != nil {
		return errors.Join(cause, err)
	}
	if len(left) > len(before) {
		return &exitError{cause, exitFailure, "cachex ca uninstall tries again to take out what is left"}
	}
	return cause
}

func (o *caCommand) uninstall() error {
	in, noted := o.dir.Installed()
	cert, err := o.dir.Certificate()
	switch {
	case errors.Is(err, ca.ErrNoAuthority):
		o.say("there is no authority: nothing to remove")
		return nil
	case err != nil && noted == nil && in.PEM != "":
		cert, err = in.Certificate()
	case err != nil && noted == nil: // it was in no store yet
		return o.remove()
	}
	if err != nil {
		return &exitError{err, exitFailure, fmt.Sprintf("look for \"cachex\" in the stores, and then remove %s", o.dir)}
	}
	stores := in.Stores
	if noted != nil {
		for _, k := range ca.StoreKinds() { // as far as can be told
			found, _ := ca.FindStores(k, cert, os.Getenv)
			stores = append(stores, found...)
		}
	}
	var left []ca.Store
	var failed error
	for _, s := range stores {
		has, err := s.Has(cert)
		if err == nil && !has {
			continue
		}
		if err == nil {
			err = s.Remove(cert)
		}
		if err != nil {
			left = append(left, s)
			failed = errors.Join(failed, fmt.Errorf("%s: %w", described(s), err))
			o.say("not taken out of %s: %v", described(s), err)
			continue
		}
		o.say("taken out of %s", described(s))
	}
	if failed != nil {
		if err := o.dir.NoteInstalled(cert, left); err != nil {
			return err
		}
		return fmt.Errorf("the authority stays, as it is still trusted by %d of %d stores: %w", len(left), len(stores), failed)
	}
	return o.remove()
}

func (o *caCommand) remove() error {
	if err := o.dir.Remove(); err != nil {
		return fmt.Errorf("remove the authority: %w", err)
	}
	o.say("removed %s", string(o.dir))
	return nil
}

func storeName(kind string) string {
	switch kind {
	case "system":
		return "the system's store"
	case "nss":
		return "Firefox and Chromium"
	case "java":
		return "Java"
	}
	return ""
}

func described(s ca.Store) string { return fmt.Sprintf("%s: %s", storeName(s.Kind), s.Place) }

// owner is who the authority is named after.
func owner() string {
	name := "user"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}
