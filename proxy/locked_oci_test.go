package proxy

import (
	"strings"
	"testing"

	"cachex/proxy/lock"
)

// An image that a lock names is pulled with a network and without, from the cache
// of that day and from an empty one; when its tag has moved, it is refused.
func TestLockedImage(t *testing.T) {
	for _, password := range []string{"", "password-" + ociSecret} {
		o := newOCIOrigin()
		o.private = password
		r := newRig(t, o, rigOptions{lock: &lock.Recorder{}})
		image := o.push(t)
		samePull(t, r, password, image)
		frozen, text := recorded(r)
		if strings.Contains(text, ociSecret) || strings.Contains(text, "Amz") {
			t.Errorf("there are secrets in\n%s", text)
		}
		for _, want := range []string{" GET https://registry.example/token", "/manifests/1 ", " auth status=307 to=https://cdn.example/v2/team/app/blobs/sha256:"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
		r = r.again(o, rigOptions{frozen: frozen})
		samePull(t, r, password, image)
		r = r.again(o, rigOptions{frozen: frozen, offline: true})
		samePull(t, r, password, image)
		r.stop()
		r = newRig(t, o, rigOptions{frozen: frozen})
		samePull(t, r, password, image)
		r.stop()
		o.push(t) // another image under the same tag
		r = newRig(t, o, rigOptions{frozen: frozen})
		if _, err := r.pull(password); err == nil {
			t.Error("another image was pulled")
		}
		r.stop()
		r = newRig(t, o, rigOptions{lock: &lock.Recorder{}})
		if got, err := r.pull(password); err != nil || got == nil {
			t.Fatal(err)
		}
		if _, now := recorded(r); now == text {
			t.Error("the new image has the same lock")
		}
	}
}
