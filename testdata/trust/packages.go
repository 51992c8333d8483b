package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha1" // npm's and Maven's checksums
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// file is one answer of the origin.
type file struct {
	kind string // media type
	data []byte
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	if f.kind != "" {
		w.Header().Set("Content-Type", f.kind)
	}
	_, _ = w.Write(f.data) // the client would notice
}

func (f file) sha256() string { return fmt.Sprintf("%x", sha256.Sum256(f.data)) }

// packages are the least that each package manager wants of a registry: one
// package, hello 1.0.0, that holds the secret.
func packages(url string) map[string]file {
	all := map[string]file{}
	for _, add := range []func(string, map[string]file){npm, pypi, maven, crates, goModules, rubyAndPHP} {
		add(url, all)
	}
	return all
}

func text(format string, args ...any) []byte { return fmt.Appendf(nil, format, args...) }

// asJSON is for values that can't fail.
func asJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// tgz and zipped pack files given as name, content, name, content.
func tgz(files ...string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	t := tar.NewWriter(z)
	for f := range slices.Chunk(files, 2) {
		mustWrite(t.WriteHeader(&tar.Header{Name: f[0], Mode: 0o644, Size: int64(len(f[1]))}))
		_, err := t.Write([]byte(f[1]))
		mustWrite(err)
	}
	mustWrite(t.Close())
	mustWrite(z.Close())
	return b.Bytes()
}

func zipped(files ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for f := range slices.Chunk(files, 2) {
		w, err := z.Create(f[0])
		mustWrite(err)
		_, err = w.Write([]byte(f[1]))
		mustWrite(err)
	}
	mustWrite(z.Close())
	return b.Bytes()
}

// mustWrite is for writes to memory.
func mustWrite(err error) {
	if err != nil {
		panic(err)
	}
}

func npm(url string, to map[string]file) {
	archive := tgz("package/package.json", `{"name":"hello","version":"1.0.0"}`, "package/index.js", "// "+secret+"\n")
	to["/npm/hello/-/hello-1.0.0.tgz"] = file{data: archive}
	version := map[string]any{"name": "hello", "version": "1.0.0", "dist": map[string]string{
		"tarball": url + "/npm/hello/-/hello-1.0.0.tgz", "shasum": fmt.Sprintf("%x", sha1.Sum(archive)),
	}}
	to["/npm/hello"] = file{"application/json", asJSON(map[string]any{
		"name": "hello", "dist-tags": map[string]string{"latest": "1.0.0"},
		"versions": map[string]any{"1.0.0": version}, "time": map[string]string{"1.0.0": "2024-01-01T00:00:00.000Z"},
	})}
}

func pypi(_ string, to map[string]file) {
	const wheel = "hello-1.0.0-py3-none-any.whl"
	info := "hello-1.0.0.dist-info/"
	to["/simple/hello/"+wheel] = file{data: zipped("hello.py", "# "+secret+"\n",
		info+"METADATA", "Metadata-Version: 2.1\nName: hello\nVersion: 1.0.0\n",
		info+"WHEEL", "Wheel-Version: 1.0\nGenerator: rig\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		info+"RECORD", "hello.py,,\n"+info+"METADATA,,\n"+info+"WHEEL,,\n"+info+"RECORD,,\n")}
	to["/simple/hello/{$}"] = file{"text/html", text(`<!DOCTYPE html><a href="%s">%s</a>`, wheel, wheel)}
}

func maven(_ string, to map[string]file) {
	pom := text(`<project><modelVersion>4.0.0</modelVersion><groupId>test</groupId><artifactId>hello</artifactId>`+
		`<version>1.0.0</version><packaging>pom</packaging><description>%s</description></project>`, secret)
	jar := zipped("hello.txt", secret)
	for name, data := range map[string][]byte{"hello-1.0.0.pom": pom, "hello-1.0.0.jar": jar} {
		to["/maven/test/hello/1.0.0/"+name] = file{data: data}
		to["/maven/test/hello/1.0.0/"+name+".sha1"] = file{data: text("%x", sha1.Sum(data))}
	}
	to["/gradle/hello.gradle"] = file{data: text("println '%s'\n", secret)}
}

func crates(url string, to map[string]file) {
	crate := file{data: tgz("hello-1.0.0/Cargo.toml", "[package]\nname = \"hello\"\nversion = \"1.0.0\"\n", "hello-1.0.0/src/lib.rs", "// "+secret+"\n")}
	to["/crates/config.json"] = file{data: text(`{"dl":"%s/crates/dl/{crate}-{version}.crate"}`, url)}
	to["/crates/dl/hello-1.0.0.crate"] = crate
	to["/crates/he/ll/hello"] = file{data: text(`{"name":"hello","vers":"1.0.0","deps":[],"cksum":"%s","features":{},"yanked":false}`+"\n", crate.sha256())}
}

func goModules(_ string, to map[string]file) {
	const module = "registry.example/hello"
	at := "/go/" + module + "/@v/v1.0.0"
	mod := "module " + module + "\n"
	to[at+".info"] = file{data: []byte(`{"Version":"v1.0.0","Time":"2024-01-01T00:00:00Z"}`)}
	to[at+".mod"] = file{data: []byte(mod)}
	to[at+".zip"] = file{data: zipped(module+"@v1.0.0/go.mod", mod, module+"@v1.0.0/hello.go", "package hello // "+secret+"\n")}
}

func rubyAndPHP(url string, to map[string]file) {
	archive := zipped("composer.json", `{"name":"test/hello"}`, "hello.txt", secret)
	to["/composer/hello-1.0.0.zip"] = file{data: archive}
	to["/composer/packages.json"] = file{"application/json", asJSON(map[string]any{"packages": map[string]any{
		"test/hello": map[string]any{"1.0.0": map[string]any{"name": "test/hello", "version": "1.0.0", "dist": map[string]string{
			"type": "zip", "url": url + "/composer/hello-1.0.0.zip", "shasum": fmt.Sprintf("%x", sha1.Sum(archive)),
		}}},
	}})}
	// Bundler's compact index.
	to["/gems/versions"] = file{"text/plain", []byte("created_at: 2024-01-01T00:00:00Z\n---\nhello 1.0.0 0123456789abcdef0123456789abcdef\n")}
	to["/gems/names"] = file{"text/plain", []byte("---\nhello\n")}
	to["/gems/info/hello"] = file{"text/plain", []byte("---\n1.0.0 |checksum:" + strings.Repeat("0", 64) + "\n")}
}

// registry serves an image to OCI clients.
func registry(mux *http.ServeMux) {
	layer := file{"application/octet-stream", tgz("hello.txt", secret+"\n")}
	config := file{"application/octet-stream", asJSON(map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{"Env": []string{"PATH=/bin"}, "Labels": map[string]string{"hello": secret}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + file{data: gunzipped(layer.data)}.sha256()}},
	})}
	describe := func(kind string, f file) map[string]any {
		return map[string]any{"mediaType": kind, "size": len(f.data), "digest": "sha256:" + f.sha256()}
	}
	manifest := file{"application/vnd.oci.image.manifest.v1+json", asJSON(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": describe("application/vnd.oci.image.config.v1+json", config),
		"layers": []any{describe("application/vnd.oci.image.layer.v1.tar+gzip", layer)},
	})}
	mux.HandleFunc("GET /v2/{$}", file{"application/json", []byte("{}")}.serve)
	for _, f := range []file{layer, config} {
		mux.HandleFunc("GET /v2/hello/blobs/sha256:"+f.sha256(), f.serve)
	}
	for _, ref := range []string{"1.0.0", "sha256:" + manifest.sha256()} {
		mux.HandleFunc("GET /v2/hello/manifests/"+ref, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Docker-Content-Digest", "sha256:"+manifest.sha256())
			manifest.serve(w, r)
		})
	}
}

func gunzipped(b []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(b))
	mustWrite(err)
	var out bytes.Buffer
	_, err = out.ReadFrom(z)
	mustWrite(err)
	return out.Bytes()
}
