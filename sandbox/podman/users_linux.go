package podman

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/containers/podman/v4/pkg/bindings"

	"cachex/sandbox"
)

// numbered is the command's user with numbers in place of names, where the user
// namespace is to be made for it: an ordinary user's service. The names are those
// of the image's files, which a container must be made for to be read.
func (s *Service) numbered(ctx context.Context, c Config) (string, error) {
	user, group, _ := strings.Cut(c.User, ":")
	if s.user == 0 || isNumber(user) && isNumber(group) || user == "root" && isNumber(group) {
		return c.User, nil
	}
	root, err := os.MkdirTemp("", "cachex-users-")
	if err != nil {
		return "", &Error{Step: "make a directory for the image's users", Err: err}
	}
	defer os.RemoveAll(root)
	if err := s.copyUsers(ctx, c.Image.ID, root); err != nil {
		return "", &Error{Step: "read the image's users", Err: err}
	}
	uid, gid, err := sandbox.UserIDs(root, c.User)
	if err != nil {
		return c.User, nil // the container's first process says so too, with what to do
	}
	return fmt.Sprintf("%d:%d", uid, gid), nil
}

// isNumber takes "" for one: it is nothing to look up.
func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 31)
	return s == "" || err == nil
}

// copyUsers copies the files that tell of users out of an image.
func (s *Service) copyUsers(ctx context.Context, image, root string) error {
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o700); err != nil {
		return err
	}
	var made created
	d := spec{Image: image, Entrypoint: []string{"/none"}, Command: []string{}, NetNS: namespace{Mode: "none"},
		CapAdd: []string{}, SelinuxOpts: []string{}, WorkDir: "/", Labels: map[string]string{ownerLabel: owner()}, Log: logging{Driver: "none"}, Systemd: "false"}
	if err := s.call(ctx, "POST", "/containers/create", nil, d, &made); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), endTime)
		defer cancel()
		_ = s.call(ctx, "DELETE", "/containers/%s", url.Values{"force": {"true"}, "v": {"true"}}, nil, nil, made.ID) // sweep finds it
	}()
	for _, name := range []string{"etc/passwd", "etc/group"} {
		if err := s.copyOut(ctx, made.ID, name, filepath.Join(root, name)); err != nil {
			return err
		}
	}
	return nil
}

// maxUsers bounds a file of users.
const maxUsers = 16 << 20

// copyOut copies a file of a container that need not be there.
func (s *Service) copyOut(ctx context.Context, id, name, to string) error {
	response, err := s.conn.DoRequest(ctx, nil, http.MethodGet, "/containers/%s/archive", url.Values{"path": {"/" + name}}, nil, id)
	if err != nil {
		return s.why(err)
	}
	defer response.Body.Close()
	if !response.IsSuccess() {
		err := response.Process(nil)
		if code, e := bindings.CheckResponseCode(err); e == nil && code == http.StatusNotFound {
			return nil
		}
		return err
	}
	r := tar.NewReader(response.Body)
	h, err := r.Next()
	if err != nil || h.Typeflag != tar.TypeReg {
		return errors.Join(err, fmt.Errorf("/%s is no file", name))
	}
	b, err := io.ReadAll(io.LimitReader(r, maxUsers))
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}
