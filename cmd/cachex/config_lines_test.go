package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestKeyLines(t *testing.T) {
	const text = `# a comment = 1
policy = "forever" # policy = "x"
"allow" = [ # ]
  "a#b", 'c]d', # , ]
  "e\"]",
]
long = """
offline = true
"quoted\""""
raw = '''
lock = [''''
report = { a = "}", b = [1, 2] }
after.b . "c d" = 1
[gc]
max-size = "1G"
[[rule]]
url = "a"
[rule.header]
X = "$Y"
[[ "rule" ]] # ]
  url = "b"
  header.Z = "$Y"
last = 1`
	lines := findLines(text)
	for path, want := range map[string]int{
		"policy": 2, "allow": 3, "long": 7, "raw": 10, "report": 12, "after": 13, "after.b.c d": 13, "gc": 14, "gc.max-size": 15,
		"rule[0]": 16, "rule[0].url": 17, "rule[0].header": 18, "rule[0].header.X": 19, "rule[1]": 20, "rule[1].url": 21,
		"rule[1].header.Z": 22, "rule[1].last": 23, "rule[1].nothing": 20, "report.a": 12, "offline": 0, "lock": 0,
	} {
		if got := lines.of(path); got != want {
			t.Errorf("%s is in line %d, not in %d", path, got, want)
		}
	}
}

// FuzzKeyLines compares with the keys that the decoder has found: each has a line,
// and what has a line is a key.
func FuzzKeyLines(f *testing.F) {
	for _, s := range []string{
		"a = 1\n[b]\nc = \"x\"\n", "[[r]]\nu=1\n[[r]]\nu=2\n[r.s]\nt=3\n", "a = '''\nb = 1'''\n", "a = [\n1,\n2]\nb=2", "\"a.b\".c = {d = 1}\n",
		"a=\"\"\"\"x\"\"\"\"\"\n",
		"policy = \"forever\"\nallow = [\"*.example\"]\nreport = \"json=x\"\nlock = \"~/x\"\n[gc]\nmax-size = \"1\"\n",
		"[[rule]]\nurl = \"a.example\"\nheader = { X = \"$Y\" }\nttl = \"1h\"\n[[rule]]\nurl = \"b\"\npassthrough = true\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var v map[string]any
		if _, err := toml.Decode(text, &v); err != nil {
			t.Skip()
		}
		lines := findLines(text)
		for _, project := range []bool{false, true} { // whatever it says, it is not fatal
			c := &configFile{path: "/none/such/cachex.toml", project: project, trusted: !project, settings: map[string]setting{}, lines: lines}
			if err := c.take(v); err != nil && !strings.Contains(err.Error(), "cachex.toml:") {
				t.Errorf("%q: no place in %v", text, err)
			}
		}
		count := 0
		for name := range v {
			n, ok := lines[name]
			if _, isTables := v[name].([]map[string]any); isTables && !ok {
				n, ok = lines[name+"[0]"]
			}
			if !ok && len(v) > 0 && !nested(v[name]) {
				t.Errorf("%q has no line in %q: %v", name, text, lines)
			}
			count = max(count, n)
		}
		if most := 1 + len(text); count > most {
			t.Error(fmt.Sprint(count, " of ", most))
		}
	})
}

// nested tells of a table, which may be there for its parts alone ([a.b]).
func nested(v any) bool {
	_, ok := v.(map[string]any)
	return ok
}
