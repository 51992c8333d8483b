package store

import (
	"io"
	"net/http"
	"os"
	"testing"
	"time"
)

// held begins a body in one store and publishes it.
func held(t *testing.T, s *Store, k Key) (*Lock, *Writer, *Meta) {
	t.Helper()
	l, err := s.Lock(t.Context(), k, "")
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.Create()
	if err != nil {
		t.Fatal(err)
	}
	m := &Meta{URL: k.URL("https"), Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/plain"}}, Received: time.Now()}
	if err := l.Publish(w, "", m, 6); err != nil {
		t.Fatal(err)
	}
	return l, w, m
}

// Another process reads a body while it is written, and learns how it ended.
func TestFollow(t *testing.T) {
	for _, kept := range []bool{true, false} {
		dir := t.TempDir()
		mine, theirs := openDir(t, dir, false), openDir(t, dir, false)
		k := key("/a")
		l, w, m := held(t, mine, k)
		io.WriteString(w, "abc")

		none, p, err := theirs.LockOrFollow(t.Context(), k, "", nil)
		if err != nil || none != nil || p == nil {
			t.Fatalf("kept %v: %v, %v, %v", kept, none, p, err)
		}
		if p.Length != 6 || p.Status != http.StatusOK || p.Header.Get("Content-Type") != "text/plain" {
			t.Errorf("published: %+v", p)
		}
		if ended, _ := p.Ended(); ended {
			t.Error("ended at once")
		}
		io.WriteString(w, "def")
		if kept {
			if err := w.Commit(k, "", m); err != nil {
				t.Fatal(err)
			}
		}
		if ended, _ := p.Ended(); ended {
			t.Error("ended with the lock held")
		}
		l.Unlock()
		if err := mine.Remove(k, ""); err != nil { // which makes no difference
			t.Fatal(err)
		}
		if ended, whole := p.Ended(); !ended || (whole != nil) != kept || kept && whole.Size != 6 {
			t.Errorf("kept %v: ended %v, whole %v", kept, ended, whole)
		}
		if b, err := io.ReadAll(p.File); err != nil || string(b) != "abcdef" {
			t.Errorf("read %q, %v", b, err)
		}
		p.Close()
		w.Close()
	}
}

// What a lock's file says is not believed when it can't be so.
func TestFollowDoubts(t *testing.T) {
	dir := t.TempDir()
	mine, theirs := openDir(t, dir, false), openDir(t, dir, false)
	k := key("/a")
	l, w, m := held(t, mine, k)
	defer l.Unlock()
	defer w.Close()
	name := lockName(k, "")
	good, err := os.ReadFile(dir + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if p := theirs.follow(key("/b"), name); p != nil {
		t.Error("the body of another document")
	}
	for _, text := range []string{"", "\n", string(good[:len(good)-1]), string(good[:20]), k.Name("") + "\n{}\n"} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if p := theirs.follow(k, name); p != nil {
			t.Errorf("followed %q", text)
		}
	}
	// A descriptor that is something else by now.
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	other := &Writer{store: mine, file: null}
	if err := os.WriteFile(dir+"/"+name, []byte(k.Name("")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.Publish(other, "", m, 6); err != nil {
		t.Fatal(err)
	}
	if p := theirs.follow(k, name); p != nil {
		t.Error("followed a device")
	}
}

// The lock of a process that died goes to the next one, with its file. Who
// followed the first does not take the second's body for the first's.
func TestFollowTheDead(t *testing.T) {
	dir := t.TempDir()
	mine, theirs := openDir(t, dir, false), openDir(t, dir, false)
	k := key("/a")
	l, w, _ := held(t, mine, k)
	defer w.Close()
	io.WriteString(w, "abc")
	_, p, err := theirs.LockOrFollow(t.Context(), k, "", nil)
	if err != nil || p == nil {
		t.Fatalf("%v, %v", p, err)
	}
	defer p.Close()
	l.file.Close() // as the kernel does it
	l2, w2, m := held(t, mine, k)
	defer w2.Close()
	if ended, whole := p.Ended(); !ended || whole != nil {
		t.Errorf("with the next writer at work: ended %v, whole %v", ended, whole)
	}
	io.WriteString(w2, "abcdef")
	if err := w2.Commit(k, "", m); err != nil {
		t.Fatal(err)
	}
	l2.Unlock()
	if ended, whole := p.Ended(); !ended || whole != nil {
		t.Errorf("after the next writer: ended %v, whole %v", ended, whole)
	}
}
