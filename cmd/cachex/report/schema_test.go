package report

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// schemaNode is as much of a JSON schema as report.schema.json needs.
type schemaNode struct {
	Ref        string                `json:"$ref"`
	Required   []string              `json:"required"`
	Properties map[string]schemaNode `json:"properties"`
	Items      *schemaNode           `json:"items"`
	Defs       map[string]schemaNode `json:"$defs"`
	Enum       []string              `json:"enum"`
}

func readSchema(t *testing.T) schemaNode {
	t.Helper()
	b, err := os.ReadFile("report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schemaNode
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReportsAreAsTheSchemaSays(t *testing.T) {
	s := compileSchema(t, map[string]string{"report.schema.json": "report.schema.json"}, "report.schema.json")
	full := reportOf(t, sample()...)
	full.Notes, full.Since = []Note{{"note", "a", "b", "c"}}, &Since{Started: time.Unix(0, 0).UTC(), NewURLs: []string{here}}
	full.Hints, full.Changed, full.Daemons, full.Lower = []Hint{{"sudo", "", "", 1, "sudo cachex run"}}, []string{"/etc/ssl"}, []string{"/run/x.sock"}, []string{"/c"}
	for _, r := range []*Report{full, reportOf(t)} {
		validate(t, s, inFormat(t, WriteJSON, r))
	}
	for _, wrong := range []string{
		`{}`, `{"schema":2}`, strings.Replace(string(inFormat(t, WriteJSON, full)), `"outcome":"hit"`, `"outcome":"hot"`, 1),
		strings.Replace(string(inFormat(t, WriteJSON, full)), hex64, "0", 1),
	} {
		var v any
		if err := json.Unmarshal([]byte(wrong), &v); err != nil {
			t.Fatal(err)
		}
		if s.Validate(v) == nil {
			t.Errorf("the schema takes %.200s", wrong)
		}
	}
}

// The schema has the fields that are written, no more and no fewer, and asks for
// those that are always there.
func TestSchemaHasEveryField(t *testing.T) {
	root := readSchema(t)
	list := func(name string) schemaNode { return *root.Properties[name].Items }
	exchanges := root.Properties["exchanges"]
	delete(root.Properties, "exchanges") // which no field of Run is
	root.Required = slices.DeleteFunc(root.Required, func(s string) bool { return s == "exchanges" })
	host := list("hosts")
	for name, p := range root.Defs["counts"].Properties {
		host.Properties[name] = p
	}
	host.Required = append(host.Required, root.Defs["counts"].Required...)
	for _, c := range []struct {
		node schemaNode
		of   any
	}{
		{root, Run{}}, {root.Defs["counts"], Counts{}}, {host, HostCounts{}}, {*exchanges.Items, Exchange{}},
		{list("hints"), Hint{}}, {list("notes"), Note{}}, {root.Properties["since"], Since{}},
	} {
		var all, always []string
		for _, f := range reflect.VisibleFields(reflect.TypeOf(c.of)) {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" {
				continue
			}
			all = append(all, name)
			if !strings.Contains(options, "omitempty") {
				always = append(always, name)
			}
			if _, ok := c.node.Properties[name]; !ok {
				t.Errorf("the schema of %T has no %s", c.of, name)
			}
		}
		if len(all) != len(c.node.Properties) {
			t.Errorf("the schema of %T has %d fields, of %d", c.of, len(c.node.Properties), len(all))
		}
		slices.Sort(always)
		slices.Sort(c.node.Required)
		if !slices.Equal(always, c.node.Required) {
			t.Errorf("the schema of %T asks for %v, not %v", c.of, c.node.Required, always)
		}
	}
}

// REPORT.md has a row for each field of the schema, and for each word of cause.
func TestReportPageHasEveryField(t *testing.T) {
	b, err := os.ReadFile("REPORT.md")
	if err != nil {
		t.Fatal(err)
	}
	fields, causes, ok := strings.Cut(string(b), "The words of `cause`:")
	if !ok {
		t.Fatal("REPORT.md has no words of cause")
	}
	word := regexp.MustCompile("`([a-z0-9_]+)`")
	names := func(page string, columns int) []string {
		var found []string
		for row := range strings.SplitSeq(page, "\n") {
			cells := strings.Split(row, "|")
			if strings.HasPrefix(row, "|") && len(cells) > columns {
				for _, m := range word.FindAllStringSubmatch(cells[columns], -1) {
					found = append(found, m[1])
				}
			}
		}
		slices.Sort(found)
		return slices.Compact(found)
	}
	root := readSchema(t)
	var want []string
	var walk func(schemaNode)
	walk = func(n schemaNode) {
		for name, p := range n.Properties {
			want = append(want, name)
			walk(p)
		}
		for _, d := range n.Defs {
			walk(d)
		}
		if n.Items != nil {
			walk(*n.Items)
		}
	}
	walk(root)
	// These are told of where they stand in the table, in the text of a row.
	notes := []string{"text", "detail", "hint"}
	want = slices.DeleteFunc(want, func(s string) bool { return slices.Contains(notes, s) && strings.Contains(fields, "`"+s+"`") })
	slices.Sort(want)
	if got := names(fields, 1); !slices.Equal(got, slices.Compact(want)) {
		t.Errorf("REPORT.md has rows for\n%v\nthe schema has\n%v", got, slices.Compact(want))
	}
	words := slices.Sorted(slices.Values(root.Properties["exchanges"].Items.Properties["cause"].Enum))
	if got := names(causes, 2); !slices.Equal(got, words) {
		t.Errorf("REPORT.md has the causes\n%v\nthe schema has\n%v", got, words)
	}
}
