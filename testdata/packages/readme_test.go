package packages

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// snippet is the README's block of code after some words.
func snippet(t *testing.T, after, language string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(b), "\n"+after)
	if ok {
		_, text, ok = strings.Cut(text, "\n```"+language+"\n")
	}
	code, _, end := strings.Cut(text, "\n```\n")
	if !ok || !end {
		t.Fatalf("README.md has no %s after %q", language, after)
	}
	return code + "\n"
}

// list has the items of a list in a piece of YAML, of which each is a line.
func list(t *testing.T, yaml, name string) []string {
	t.Helper()
	_, text, ok := strings.Cut(yaml, " "+name+":\n")
	var items []string
	for line := range strings.Lines(text) {
		item, isItem := strings.CutPrefix(strings.TrimLeft(line, " "), "- ")
		if !isItem {
			break
		}
		items = append(items, strings.TrimSuffix(item, "\n"))
	}
	if !ok || len(items) == 0 {
		t.Fatalf("no %s in\n%s", name, yaml)
	}
	return items
}

// place has the real release in place of the README's, and a directory of the
// runner's in place of the system's.
func (r *runner) place(text, server string) string {
	version := strings.Split(filepath.Base(one(r.t, "linux_amd64.tar.gz")), "_")[1]
	return strings.NewReplacer("https://releases.example/cachex", server, "1.2.3", version,
		"linux_amd64", "linux_"+runtime.GOARCH, "/usr/local/bin", r.dir+"/bin").Replace(text)
}

// clients makes a runner that has an npm, which downloads one file, and whose
// whole network is an origin. The server has the release.
func clients(t *testing.T) (r *runner, server string, asked func() int32) {
	r = newRunner(t)
	d, err := filepath.Abs(dist(t))
	if err != nil {
		t.Fatal(err)
	}
	files := http.FileServer(http.Dir(d))
	release := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		dir, name := filepath.Split(q.URL.Path)
		if dir != r.place("/v1.2.3/", "") {
			http.NotFound(w, q)
			return
		}
		q.URL.Path = "/" + name
		files.ServeHTTP(w, q)
	}))
	t.Cleanup(release.Close)
	origin, requests := startOrigin(t)
	r.vars["http_proxy"], r.vars["no_proxy"] = origin, "127.0.0.1"
	r.program("npm", "exec curl -fsS --noproxy '' http://registry.example/a-1.0.0.tgz\n")
	return r, release.URL, func() int32 { return requests.Swap(0) }
}

// succeed runs a script, and fails the test when the script fails or the origin
// is not asked so often.
func (r *runner) succeed(script string, vars map[string]string, asked func() int32, want int32) {
	r.t.Helper()
	out, ok := r.run(script, vars)
	if n := asked(); !ok || n != want {
		r.t.Fatalf("%v, the origin was asked %d times, not %d:\n%s\n%s", ok, n, want, script, out)
	}
}

func TestReadmeShell(t *testing.T) {
	r, server, asked := clients(t)
	r.vars["PATH"] = r.vars["HOME"] + "/.local/bin:" + r.vars["PATH"]
	r.succeed("set -e\n"+r.place(snippet(t, "## Install", "sh"), server), nil, asked, 0)
	script := "set -e\n" + snippet(t, "**A shell**", "sh")
	r.succeed(script, nil, asked, 1)
	r.succeed(script, nil, asked, 0)
}

// The workflow is one (actionlint), and its steps run with what the action's
// scripts have set, in two jobs of which the second restores the cache as tar does.
func TestReadmeGitHub(t *testing.T) {
	workflow := snippet(t, "**GitHub Actions**", "yaml")
	t.Run("workflow", func(t *testing.T) {
		need(t, "actionlint", "git", "shellcheck")
		dir := t.TempDir()
		command(t, dir, "git", "init", "-q")
		if err := os.MkdirAll(filepath.Join(dir, ".github/workflows"), 0o755); err != nil {
			t.Fatal(err)
		}
		action, err := os.ReadFile(filepath.Join(repository, "action.yml"))
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"action.yml":                string(action),
			".github/workflows/ci.yaml": strings.Replace(workflow, "OWNER/cachex@v1.2.3", "./", 1),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		command(t, dir, "actionlint")
	})

	r, server, asked := clients(t)
	var steps []string
	for line := range strings.Lines(workflow) {
		if run, ok := strings.CutPrefix(strings.TrimSpace(line), "- run: "); ok {
			steps = append(steps, run)
		}
	}
	if len(steps) != 2 {
		t.Fatalf("%d steps in\n%s", len(steps), workflow)
	}
	for job, want := range []int32{1, 0} {
		for _, name := range []string{"PATH", "ENV", "OUTPUT"} {
			os.Remove(r.vars["GITHUB_"+name])
		}
		r.succeed(step(t, "install"), map[string]string{"RELEASE": r.place("v1.2.3", ""), "BASE_URL": server}, asked, 0)
		directory := strings.TrimSuffix(r.wrote("GITHUB_PATH"), "\n")
		r.succeed(step(t, "sandbox"), map[string]string{"DIRECTORY": directory}, asked, 0)
		r.succeed(step(t, "cache"), map[string]string{"CACHE": "~/.cache/cachex", "KEY": "downloads"}, asked, 0)
		if job > 0 {
			command(t, r.vars["HOME"], "tar", "--posix", "-xPf", r.dir+"/saved.tar")
		}
		env := map[string]string{"PATH": directory + ":" + r.vars["PATH"]}
		for line := range strings.Lines(r.wrote("GITHUB_ENV")) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			env[name] = value
		}
		r.succeed(steps[0], env, asked, want)
		r.succeed(steps[1], env, asked, 0)
		command(t, r.vars["HOME"], "tar", "--posix", "-cPf", r.dir+"/saved.tar", env["CACHEX_CACHE"])
		if err := os.RemoveAll(env["CACHEX_CACHE"]); err != nil {
			t.Fatal(err)
		}
	}
}

// In the second job the cache is one that a zip has been through, as GitLab's are.
func TestReadmeGitLab(t *testing.T) {
	job := snippet(t, "**GitLab CI**", "yaml")
	_, cache, ok := strings.Cut(job, "    CACHEX_CACHE: $CI_PROJECT_DIR/")
	cache, _, _ = strings.Cut(cache, "\n")
	if paths := "    paths: [" + cache + "]\n"; !ok || !strings.Contains(job, paths) {
		t.Fatalf("the directory is not what is kept:\n%s", job)
	}
	need(t, "zip", "unzip")
	r, server, asked := clients(t)
	vars := map[string]string{"CACHEX_CACHE": r.vars["GITHUB_WORKSPACE"] + "/" + cache}
	for _, want := range []int32{1, 0} {
		r.succeed(strings.Join(list(t, r.place(job, server), "before_script"), "\n"), vars, asked, 0)
		r.succeed(strings.Join(list(t, job, "script"), "\n"), vars, asked, want)
		command(t, r.vars["GITHUB_WORKSPACE"], "zip", "-qry", "../cache.zip", cache)
		if err := os.RemoveAll(vars["CACHEX_CACHE"]); err != nil {
			t.Fatal(err)
		}
		command(t, r.vars["GITHUB_WORKSPACE"], "unzip", "-q", "../cache.zip")
	}
}

// Shellcheck has nothing to say on any script that is released.
func TestShellcheck(t *testing.T) {
	need(t, "shellcheck")
	scripts := map[string]string{
		"install": "#!/bin/bash\n" + step(t, "install"), "sandbox": "#!/bin/bash\n" + step(t, "sandbox"), "cache": "#!/bin/bash\n" + step(t, "cache"),
		"README install": "#!/bin/sh\n" + snippet(t, "## Install", "sh"), "README shell": "#!/bin/sh\n" + snippet(t, "**A shell**", "sh"),
	}
	for _, name := range []string{"postinst", "prerm", "prepare"} {
		b, err := os.ReadFile(filepath.Join(repository, "cmd/cachex/package", name))
		if err != nil {
			t.Fatal(err)
		}
		scripts[name] = string(b)
	}
	for name, script := range scripts {
		cmd := exec.Command("shellcheck", "-")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
