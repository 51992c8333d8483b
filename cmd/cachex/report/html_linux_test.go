package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func pageOf(t *testing.T, run Run, exchanges []Exchange) string {
	t.Helper()
	a := NewAccount()
	for _, x := range exchanges {
		a.Add(x)
	}
	a.Hints = run.Hints
	r := New(run, a, nil)
	r.Exchanges = sequence(exchanges...)
	path := filepath.Join(t.TempDir(), "report.html")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteHTML(f, r); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// The page shows, sorts and filters 20,000 requests in a real browser, from a
// file, with no error and without asking for anything.
func TestPage(t *testing.T) {
	const hostile = `https://evil.example/</script><script>document.title="owned"</script><img src=x onerror=document.title="owned">'"&amp;<!--`
	all := append(manyExchanges(20_000), Exchange{Method: "GET", URL: hostile, Outcome: Miss, Cause: CauseRemoved, Reason: hostile, Status: 200, Type: hostile, Bytes: 1, Network: 1})
	path := pageOf(t, Run{
		Command: []string{"sh", "-c", "make </title><script>document.title='owned'</script>"}, Started: time.Date(2026, 11, 27, 16, 0, 0, 0, time.UTC), MS: 60_500,
		Sandbox: "netns", Policy: "artifacts", Notes: []Note{{Kind: "note", Text: hostile, Hint: "do something"}},
		Hints: []Hint{{Kind: "denied", Host: "other.example", Times: 1, Flag: "--allow other.example"}},
		Since: &Since{New: 2, NewURLs: []string{hostile}},
	}, all)
	b := newBrowser(t)
	b.open(path)
	if got := b.troubles(path); len(got) > 0 {
		t.Fatalf("%q", got)
	}
	want := func(what, expression, value string) {
		t.Helper()
		if got := b.eval(expression); got != value {
			t.Errorf("%s: %q, want %q", what, got, value)
		}
	}
	b.shoot("page-light")
	const first = `document.querySelector("#rows tr td.url").firstChild.nextSibling.textContent`
	want("title", `document.title`, "cachex: sh -c make </title><script>document.title='owned'</script>")
	want("count", `document.getElementById("count").textContent`, "20,001 of 20,001 requests")
	want("rows", `document.querySelectorAll("#rows tr").length`, "100")
	want("totals", `document.querySelector(".tiles dd").textContent`, "20,001")
	want("hint", `document.querySelectorAll("#h-notes + ul li")[1].textContent`, "try --allow other.example: to let the command reach other.example")
	want("hosts", `document.querySelectorAll("[data-host]").length`, "12")

	click := func(selector string) { t.Helper(); b.eval(`document.querySelector('` + selector + `').click()`) }
	click(`th[data-key="bytes"] button`)
	want("largest first", first, "https://registry6.example/pkg/199/-/pkg-1.0.8999.tgz")
	want("order said", `document.querySelector('th[data-key="bytes"]').getAttribute("aria-sort")`, "descending")
	click(`th[data-key="bytes"] button`)
	want("order said", `document.querySelector('th[data-key="bytes"]').getAttribute("aria-sort")`, "ascending")
	click(`#outcomes input[value="refused"]`)
	want("only refused", `document.getElementById("count").textContent`, "2,000 of 20,001 requests")
	click(`#next`)
	want("page", `document.getElementById("page").textContent`, "page 2 of 20")
	click(`#clear`)
	want("all", `document.getElementById("count").textContent`, "20,001 of 20,001 requests")
	b.eval(`document.getElementById("search").focus()`)
	b.call("Input.insertText", map[string]any{"text": "PKG-1.0.777.tgz"}, nil)
	b.eval(`new Promise((done) => setTimeout(done, 300))`)
	want("found", `document.getElementById("count").textContent`, "1 of 20,001 requests")
	click(`[data-cause="removed"]`)
	want("by reason", `document.getElementById("count").textContent`, "1 of 20,001 requests with that reason")
	want("a hostile URL is text", first, hostile)
	want("focus is at the table", `document.activeElement.id`, "requests")
	click(`[data-host="registry3.example"]`)
	want("by host", `document.getElementById("count").textContent`, "1,177 of 20,001 requests of registry3.example")

	// The picture is for the keyboard and for screen readers as well.
	want("described", `document.getElementById("time").getAttribute("aria-label").replace(/within.*/, "")`, "20,001 requests ")
	b.eval(`document.getElementById("time").focus()`)
	b.press("End")
	b.press("ArrowLeft")
	want("said", `document.getElementById("time-said").textContent`, "error, GET https://registry6.example/pkg/398/-/pkg-1.0.19998.tgz, 200 kB in 218 ms, artifact: its name has a version")
	b.press("Enter")
	want("found by key", `document.getElementById("count").textContent`, "1 of 20,001 requests")
	want("drawn", `(() => { const c = document.getElementById("time"); return c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some((v) => v > 0); })()`, "true")
	click(`#clear`)
	b.eval(`window.scrollTo(0, 0)`)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": "dark"}}}, nil)
	want("dark", `getComputedStyle(document.body).backgroundColor`, "rgb(20, 23, 26)")
	b.shoot("page-dark")
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": false}, nil)
	want("no sideways scrolling on a telephone", `[...document.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > innerWidth && !e.closest(".scroll")).map((e) => e.outerHTML.slice(0, 80)).join("; ")`, "")
	b.shoot("page-narrow")
	if got := b.troubles(path); len(got) > 0 {
		t.Errorf("%q", got)
	}
	wantNames(t, b)
}

// wantNames looks at what a screen reader is told: every button and field has a name.
func wantNames(t *testing.T, b *browser) {
	t.Helper()
	var tree struct {
		Nodes []struct {
			Role, Name struct{ Value any }
			Ignored    bool
		}
	}
	b.call("Accessibility.getFullAXTree", nil, &tree)
	roles := map[string]int{}
	for _, n := range tree.Nodes {
		role, name := fmt.Sprint(n.Role.Value), strings.TrimSpace(fmt.Sprint(n.Name.Value))
		roles[role]++
		switch role {
		case "button", "checkbox", "searchbox", "image", "columnheader":
			if !n.Ignored && (name == "" || name == "<nil>") {
				t.Errorf("a %s without a name", role)
			}
		}
	}
	if roles["button"] < 20 || roles["searchbox"] != 1 || roles["checkbox"] != 8 || roles["image"] == 0 {
		t.Errorf("roles: %v", roles)
	}
}

// A run without requests is a page without a table.
func TestEmptyPage(t *testing.T) {
	path := pageOf(t, Run{Command: []string{"true"}, Started: time.Unix(0, 0)}, nil)
	b := newBrowser(t)
	b.open(path)
	if got := b.troubles(path); len(got) > 0 {
		t.Errorf("%q", got)
	}
	if got := b.eval(`document.querySelector("dd").textContent + document.querySelectorAll("table").length`); got != "00" {
		t.Errorf("%q", got)
	}
}
