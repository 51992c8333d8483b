package podman

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
)

// The parts of podman's API that are used here, by the names of its JSON
// (SpecGenerator, for the most part).
type (
	spec struct {
		Image           string            `json:"image"`
		Entrypoint      []string          `json:"entrypoint"`
		Command         []string          `json:"command"`
		Env             map[string]string `json:"env,omitempty"`
		Hostname        string            `json:"hostname,omitempty"`
		User            string            `json:"user"`
		UserNS          namespace         `json:"userns"`
		NetNS           namespace         `json:"netns"`
		Mounts          []bind            `json:"mounts,omitempty"`
		Volumes         []volume          `json:"volumes,omitempty"`
		WorkDir         string            `json:"work_dir"`
		CapAdd          []string          `json:"cap_add"`
		SelinuxOpts     []string          `json:"selinux_opts"`
		Rlimits         []rlimit          `json:"r_limits,omitempty"`
		Runtime         string            `json:"oci_runtime,omitempty"`
		Remove          bool              `json:"remove"`
		ReadOnly        bool              `json:"read_only_filesystem,omitempty"`
		Labels          map[string]string `json:"labels"`
		Log             logging           `json:"log_configuration"`
		Systemd         string            `json:"systemd"`
		StopTimeout     uint              `json:"stop_timeout"`
		ImageVolumeMode string            `json:"image_volume_mode,omitempty"`
	}
	namespace struct {
		Mode  string `json:"nsmode,omitempty"`
		Value string `json:"value,omitempty"`
	}
	bind struct {
		Destination string   `json:"destination"`
		Type        string   `json:"type"`
		Source      string   `json:"source"`
		Options     []string `json:"options"`
	}
	volume struct {
		Name, Dest string
		Options    []string
	}
	rlimit struct {
		Type string `json:"type"`
		Hard uint64 `json:"hard"`
		Soft uint64 `json:"soft"`
	}
	logging struct {
		Driver string `json:"driver"`
	}
	created struct{ ID string }
	listed  struct {
		ID     string `json:"Id"`
		Labels map[string]string
	}
	imageData struct {
		ID           string `json:"Id"`
		Architecture string
		Config       struct {
			User       string
			WorkingDir string
		}
	}
	// pullLine is one of a pull's answer.
	pullLine struct {
		Stream string   `json:"stream"`
		Error  string   `json:"error"`
		ID     string   `json:"id"`
		Images []string `json:"images"`
	}
)

// call makes a request of the API and reads its answer. The errors are those of
// the bindings.
func (s *Service) call(ctx context.Context, method, path string, query url.Values, body, answer any, ids ...string) error {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r = bytes.NewReader(b)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	response, err := s.conn.DoRequest(ctx, r, method, path, query, header, ids...)
	if err != nil {
		return s.why(err)
	}
	defer response.Body.Close()
	return response.Process(answer)
}
