package report

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
)

//go:embed page/page.html
var pageHTML string

//go:embed page/page.css
var pageCSS string

//go:embed page/page.js
var pageJS string

// pageHosts bounds the table of hosts of the page.
const pageHosts = 12

// page is what the template is filled with: what can be told without the single
// exchanges, so that it can be read without JavaScript too.
type page struct {
	Run
	Title     string
	Style     template.CSS
	Outcomes  []outcomeCount
	Bars      []hostBar
	MoreHosts int
	Causes    []causeCount
}

type outcomeCount struct {
	Name, Words string
	Times       int
}

type hostBar struct {
	HostCounts
	Outcomes []outcomeCount
	Share    float64 // of the busiest host's requests, percent
}

type causeCount struct {
	Outcome, Cause, Words string
	Times                 int
	Network               int64
}

// counted lists the outcomes that happened.
func (c Counts) counted() []outcomeCount {
	all := []outcomeCount{
		{Hit, "from the cache", c.Hit}, {Revalidated, "from the cache, confirmed by the server", c.Revalidated},
		{Stale, "from the cache, as the server failed", c.Stale}, {Miss, "fetched and kept", c.Miss}, {Pass, "fetched, not to be kept", c.Pass},
		{Tunnel, "carried unopened", c.Tunnel}, {Refused, "not let through", c.Refused}, {Error, "failed", c.Error},
	}
	return slices.DeleteFunc(all, func(o outcomeCount) bool { return o.Times == 0 })
}

func (r *Report) page() page {
	p := page{Run: r.Run, Title: strings.Join(r.Command, " "), Style: template.CSS(pageCSS), Outcomes: r.Totals.counted()}
	for _, h := range r.Hosts[:min(len(r.Hosts), pageHosts)] {
		p.Bars = append(p.Bars, hostBar{h, h.counted(), 100 * float64(h.Requests) / float64(max(1, r.Hosts[0].Requests))})
	}
	p.MoreHosts = len(r.Hosts) - len(p.Bars)
	for _, m := range missWords {
		if g := r.Account.missed[m.cause]; g != nil {
			p.Causes = append(p.Causes, causeCount{Miss, m.cause, m.words, g.times, g.network})
		}
	}
	return p
}

// Advice is a hint as a sentence.
func (h Hint) Advice() string { return h.do() + h.Flag + ": " + h.why() }

// WriteHTML writes a page that needs nothing but itself. The exchanges are in it
// as arrays of numbers that count into lists of names, which takes half the room
// that objects would.
func WriteHTML(w io.Writer, r *Report) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"comma": func(n int) string { return humanize.Comma(int64(n)) }, "size": Size, "seconds": seconds,
	}).Parse(pageHTML)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	if err := t.Execute(out, r.page()); err != nil {
		return err
	}
	if r.Totals.Requests > 0 {
		if err := writePageData(out, r); err != nil {
			return err
		}
		out.WriteString("<script>" + pageJS + "</script>\n")
	}
	out.WriteString("</body>\n</html>\n")
	return out.Flush()
}

// names gives each word a number.
type names struct {
	list []string
	at   map[string]int
}

func (n *names) number(word string) int {
	i, ok := n.at[word]
	if !ok {
		if n.at == nil {
			n.at = map[string]int{}
		}
		i = len(n.list)
		n.at[word] = i
		n.list = append(n.list, word)
	}
	return i
}

// writePageData writes the exchanges, and then the names, which are known by then.
// JSON as encoding/json writes it has no "<" in it, and can't end its element.
func writePageData(out *bufio.Writer, r *Report) error {
	var hosts, outcomes, reasons, causes, types names
	for _, o := range r.Totals.counted() {
		outcomes.number(o.Name) // in their order
	}
	out.WriteString("<script type=\"application/json\" id=\"data\">[")
	separator := "\n"
	for x, err := range r.Exchanges {
		if err != nil {
			return err
		}
		origin, path := splitURL(x.URL)
		line, err := json.Marshal([]any{
			x.Method, hosts.number(origin), path, outcomes.number(x.Outcome), reasons.number(x.Reason), causes.number(x.Cause),
			x.Status, x.Bytes, x.Network, x.SHA256, types.number(x.Type), x.StartMS, x.WaitMS, x.MS,
		})
		if err != nil {
			return err
		}
		out.WriteString(separator)
		out.Write(line)
		separator = ",\n"
	}
	b, err := json.Marshal(map[string]any{
		"hosts": hosts.list, "outcomes": outcomes.list, "reasons": reasons.list, "causes": causes.list, "types": types.list, "ms": r.MS,
	})
	if err != nil {
		return err
	}
	_, err = out.WriteString("\n]</script>\n<script type=\"application/json\" id=\"names\">" + string(b) + "</script>\n")
	return err
}

// splitURL cuts a URL after its host.
func splitURL(u string) (origin, path string) {
	_, rest, ok := strings.Cut(u, "://")
	if !ok {
		return "", u
	}
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		i += len(u) - len(rest)
		return u[:i], u[i:]
	}
	return u, ""
}
