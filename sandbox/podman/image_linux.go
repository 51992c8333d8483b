package podman

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/containers/podman/v4/pkg/bindings"
)

// Image looks for an image; ok is false when podman has none of that name.
func (s *Service) Image(ctx context.Context, name string) (i Image, ok bool, err error) {
	var d imageData
	err = s.call(ctx, "GET", "/images/%s/json", nil, nil, &d, name)
	if code, e := bindings.CheckResponseCode(err); e == nil && code == http.StatusNotFound {
		return Image{}, false, nil
	}
	if err != nil {
		return Image{}, false, &Error{Step: "look for the image " + name, Err: err}
	}
	return Image{ID: d.ID, Architecture: d.Architecture, User: d.Config.User}, true, nil
}

// Pull gets an image from its registry. What podman says meanwhile goes to
// progress.
func (s *Service) Pull(ctx context.Context, name, policy string, progress io.Writer) error {
	query := url.Values{"reference": {name}, "policy": {policy}}
	response, err := s.conn.DoRequest(ctx, nil, http.MethodPost, "/images/pull", query, nil)
	if err != nil {
		return &Error{Step: "pull " + name, Err: s.why(err)}
	}
	defer response.Body.Close()
	if !response.IsSuccess() {
		return pullError(name, response.Process(nil))
	}
	for dec := json.NewDecoder(response.Body); ; {
		var l pullLine
		err := dec.Decode(&l)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return &Error{Step: "pull " + name, Err: err}
		case l.Error != "":
			return pullError(name, errors.New(l.Error))
		}
		fmt.Fprint(progress, l.Stream)
	}
}

func pullError(name string, err error) error {
	text := err.Error()
	e := &Error{Step: "pull " + name, Err: err}
	switch {
	case strings.Contains(text, "short-name"):
		e.Hint = "write the image with its registry, REGISTRY/NAME:TAG, or name one in registries.conf"
	case strings.Contains(text, "manifest unknown"), strings.Contains(text, "name unknown"), strings.Contains(text, "not found"):
		e.Hint = "the registry has no such image; look at its name and tag"
	case strings.Contains(text, "unauthorized"), strings.Contains(text, "authentication required"), strings.Contains(text, "denied"):
		e.Hint = "log in with podman login, or look at the image's name"
	}
	return e
}
