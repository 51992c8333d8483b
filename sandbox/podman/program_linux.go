package podman

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"cachex/sandbox"
)

// program is how this very program is started in a container, and what must be
// mounted there for it.
type program struct {
	entrypoint []string
	mounts     []bind
}

// Where the parts of a program that is not static are in a container.
const (
	loaderName = "ld.so"
	libraries  = "lib"
)

// thisProgram finds them. A program that was built with cgo is started by the
// loader and with the libraries of this machine: the image may have others.
func thisProgram() (program, error) {
	exe, err := os.Executable()
	if err != nil {
		return program{}, err
	}
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		return program{}, err
	}
	defer f.Close()
	p := program{entrypoint: []string{sandbox.ContainerInit}, mounts: []bind{file(exe, sandbox.ContainerInit)}}
	loader := interpreter(f)
	if loader == "" {
		return p, nil
	}
	in := func(name string) string { return filepath.Join(sandbox.ContainerDir, name) }
	p.entrypoint = []string{in(loaderName), "--library-path", in(libraries), sandbox.ContainerInit}
	p.mounts = append(p.mounts, file(loader, in(loaderName)))
	names, err := f.ImportedLibraries()
	if err != nil {
		return program{}, err
	}
	for _, name := range names {
		path, err := loaded(name)
		if err != nil {
			return program{}, err
		}
		p.mounts = append(p.mounts, file(path, in(filepath.Join(libraries, name))))
	}
	return p, nil
}

func file(source, destination string) bind {
	return bind{Source: source, Destination: destination, Type: "bind", Options: []string{"bind", "ro"}}
}

// interpreter is the loader's path, "" for a static program.
func interpreter(f *elf.File) string {
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b := make([]byte, p.Filesz)
			if _, err := p.ReadAt(b, 0); err == nil {
				return string(bytes.TrimRight(b, "\x00"))
			}
		}
	}
	return ""
}

// loaded is the path of a library in this process: a file of that name beside
// one that is mapped, whose own name may be longer.
func loaded(name string) (string, error) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(maps)) {
		_, path, ok := strings.Cut(strings.TrimSpace(line), "/")
		if !ok || !strings.Contains(path, ".so") {
			continue
		}
		at := filepath.Join(filepath.Dir("/"+path), name)
		if _, err := os.Stat(at); err == nil {
			return at, nil
		}
	}
	return "", fmt.Errorf("library %s is nowhere to be seen", name)
}

// makePlaces makes the files in dir that the mounts go over.
func (p program) makePlaces(dir string) error {
	for _, m := range p.mounts {
		rel, err := filepath.Rel(sandbox.ContainerDir, m.Destination)
		if err != nil {
			return err
		}
		at := filepath.Join(dir, rel)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(at, nil, 0o755); err != nil {
			return err
		}
	}
	return nil
}
