package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// sudo has no power in a user namespace, as root's id is not there, and says so
// with words about its own installation. Something else stands in its place that
// fails with better ones, and that shows whether it was called.

// sudoPlaces are where systems have it.
func sudoPlaces() []string {
	return []string{"/usr/bin/sudo", "/usr/local/bin/sudo", "/run/wrappers/bin/sudo", "/usr/bin/doas"}
}

const powerless = `#!/bin/sh
echo "${0##*/}: there is no root in this sandbox: sudo cachex run has one" >&2
exit 1
`

// placeSudo covers what is there of them.
func (m *mounts) placeSudo() error {
	for _, path := range sudoPlaces() {
		private, err := m.cover(path, []byte(powerless), 0o755)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		// It is read when it is called: until then nobody has, since long ago.
		if err := os.Chtimes(private, never(), never().Add(time.Second)); err != nil {
			return err
		}
		f, err := os.Open(private)
		if err != nil {
			return err
		}
		m.sudo = append(m.sudo, f)
	}
	return nil
}

func never() time.Time { return time.Unix(0, 0) }

// calledSudo tells whether the command has called one of them.
func (m *mounts) calledSudo() bool {
	for _, f := range m.sudo {
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err == nil && st.Atim.Sec != never().Unix() {
			return true
		}
	}
	return false
}
