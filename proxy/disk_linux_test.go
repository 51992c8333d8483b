package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// mountEnv tells a copy of the test program that it may mount: its value is the
// mount namespace of the program that started it, which is another one.
const mountEnv = "CACHEX_TEST_MOUNT"

// inNamespace runs the calling test once more in a user and mount namespace of
// its own, and tells whether this is that run.
func inNamespace(t *testing.T) bool {
	t.Helper()
	mine, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	if parent := os.Getenv(mountEnv); parent != "" {
		if parent == mine {
			t.Fatal("this is no mount namespace of its own: nothing is mounted here")
		}
		return true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), mountEnv+"="+mine, "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		t.Skipf("no user and mount namespace to be had here: %v", err)
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	default:
		t.Logf("%s", out)
	}
	return false
}

// mountSmall gives a directory whose file system holds a few megabytes.
func mountSmall(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// TestFullDisk fills the disk at random moments, and makes room again. Clients
// get every byte all the same, and what is kept is whole.
func TestFullDisk(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	seed := seedOf(t)
	dir := mountSmall(t, "6m")
	h := artifactHouse(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	var filling sync.WaitGroup
	filling.Go(func() { fillAndFree(ctx, t, dir, rand.New(rand.NewPCG(seed, 1))) })
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			c := h.client(i%2 == 0)
			rng := rand.New(rand.NewPCG(seed, uint64(10+i)))
			for n := range soak(t, 300) / 4 {
				// Now and then what others may be fetching at the moment.
				path := fmt.Sprintf("/pkg/-/pkg-%d.%d.0.tgz", pick(rng, i, 9), n)
				if err := fetchOne(c, "http://registry.example"+path, artifact(path)); err != nil {
					t.Errorf("seed %d: %s: %v; recorded: %s", seed, path, err, h.said(path))
				}
			}
		})
	}
	wg.Wait()
	cancel()
	filling.Wait()
	h.stop()
	os.Remove(filepath.Join(dir, ".cachex/filler"))
	kept := checkFiles(t, dir, isArtifact)
	h.mu.Lock() // an answer may still be on its way into the account
	t.Logf("%d files were kept, answers: %v", kept, h.hits)
	h.mu.Unlock()
	if h.hits[string(Pass)] == 0 {
		t.Errorf("seed %d: the disk was never full: %v", seed, h.hits)
	}
	nothingLeft(t, dir)
}

// fillAndFree takes the room that there is, and gives it back, and makes room
// by removing what is kept.
func fillAndFree(ctx context.Context, t *testing.T, dir string, rng *rand.Rand) {
	f, err := os.Create(filepath.Join(dir, ".cachex/filler"))
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	for ctx.Err() == nil {
		size := int64(0)
		for unix.Fallocate(int(f.Fd()), 0, size, 100_000) == nil && rng.IntN(50) > 0 {
			size += 100_000
		}
		for range rng.IntN(100_000) { // a moment, whatever the machine
			if ctx.Err() != nil {
				return
			}
		}
		f.Truncate(0)
		names, _ := filepath.Glob(filepath.Join(dir, "registry.example/pkg/-/*"))
		for _, name := range names {
			if rng.IntN(2) == 0 {
				os.Remove(name)
			}
		}
	}
}

// TestDirectoryTurnsReadOnly serves what is kept, and passes the rest through,
// when a directory can't be written to any more, and when it never could.
func TestDirectoryTurnsReadOnly(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dir := mountSmall(t, "20m")
	h := artifactHouse(t, dir)
	c := h.client(false)
	get := func(path string, o Outcome) {
		t.Helper()
		if err := fetchOne(c, "http://registry.example"+path, artifact(path)); err != nil {
			t.Errorf("%s: %v; recorded: %s", path, err, h.said(path))
		}
		h.wantOutcome(o)
	}
	get("/a-1.0.0.tgz", Miss)
	// Spare files of locks are open for a moment longer.
	deadline := time.Now().Add(time.Minute)
	err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=20m")
	for ; errors.Is(err, unix.EBUSY) && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		err = unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=20m")
	}
	if err != nil {
		t.Fatal(err)
	}
	before := listing(t, dir)
	get("/a-1.0.0.tgz", Hit)
	get("/b-1.0.0.tgz", Pass)
	h.stop()
	h = artifactHouse(t, dir)
	c = h.client(true)
	get("/a-1.0.0.tgz", Hit)
	get("/c-1.0.0.tgz", Pass)
	if after := listing(t, dir); after != before {
		t.Errorf("the directory was changed: %s, was %s", after, before)
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprint(names)
}
