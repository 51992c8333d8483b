package main

import (
	"bytes"
	"testing"
)

// What would reach the last row is changed, and nothing else is.
func TestScreenText(t *testing.T) {
	for name, c := range map[string]struct {
		in, out string
		quiet   bool
	}{
		"text":                       {"words\r\n\tätö日本\x1b[31mred\x1b[0m", "words\r\n\tätö日本\x1b[31mred\x1b[0m", true},
		"a progress bar":             {"\r\x1b[2K 10%\x1b[1A\x1b[B", "\r\x1b[2K 10%\x1b[1A\x1b[B", true},
		"the whole region":           {"\x1b[r", "\x1b[;23r", true},
		"the whole region, in words": {"\x1b[1;24r", "\x1b[1;23r", true},
		"from a row on":              {"\x1b[5r\x1b[5;0r", "\x1b[5;23r\x1b[5;23r", true},
		"a smaller region":           {"\x1b[2;10r", "\x1b[2;10r", true},
		"the last row":               {"\x1b[24;1H\x1b[999;999H\x1b[24d\x1b[30f", "\x1b[23;1H\x1b[23;999H\x1b[23d\x1b[23f", true},
		"another row":                {"\x1b[H\x1b[;5H\x1b[7;8H\x1b[3d", "\x1b[H\x1b[;5H\x1b[7;8H\x1b[3d", true},
		"modes and others":           {"\x1b[?25l\x1b[?2004h\x1b[6n\x1b[>c\x1b[?1;2r\x1b[1 q", "\x1b[?25l\x1b[?2004h\x1b[6n\x1b[>c\x1b[?1;2r\x1b[1 q", true},
		"a title":                    {"\x1b]0;[24;1H\x07\x1b]2;x\x1b\\\x1bP1$r\x1b\\", "\x1b]0;[24;1H\x07\x1b]2;x\x1b\\\x1bP1$r\x1b\\", true},
		"in a title":                 {"\x1b]0;half", "\x1b]0;half", false},
		"in a sequence":              {"a\x1b[3", "a", false},
		"in a character":             {"a\xe6\x97", "a", false},
		"a broken character":         {"\xe6a\xffb\xe6\x1b[24;1H", "\xe6a\xffb\xe6\x1b[23;1H", true},
		"given up":                   {"\x1b[12\x18a\x1b\x1a", "\x1b[12\x18a\x1b\x1a", true},
		"letters of another set":     {"\x1b(0lqk\x1b(B", "\x1b(0lqk\x1b(B", true},
		"its own screen":             {"\x1b[?1049h", "\x1b[?1049h", false},
		"back from it":               {"\x1b[?1049;25h\x1b[?1049l", "\x1b[?1049;25h\x1b[?1049l", true},
		"saved":                      {"\x1b7", "\x1b7", false},
		"saved and restored":         {"\x1b7\x1b8\x1b[s\x1b[u", "\x1b7\x1b8\x1b[s\x1b[u", true},
		"reset":                      {"\x1b7\x1b[?47h\x1bc", "\x1b7\x1b[?47h\x1bc", true},
	} {
		s := screenText{rows: 23}
		if out := string(s.add([]byte(c.in))); out != c.out || s.quiet() != c.quiet {
			t.Errorf("%s: %q, quiet %v, want %q, %v", name, out, s.quiet(), c.out, c.quiet)
		}
	}
	for in, margin := range map[string]bool{"\x1bc": true, "\x1b[!p": true, "\x1b[?1049h\x1b[?1049l": true, "\x1b[2J\x1b[r": false} {
		s := screenText{rows: 23}
		if s.add([]byte(in)); s.margin != margin {
			t.Errorf("%q: the region is lost: %v, want %v", in, s.margin, margin)
		}
	}
}

// In whatever pieces a text comes, the same is shown in the end, and what is held
// back is little. Without sequences for rows nothing is changed.
func FuzzScreenText(f *testing.F) {
	f.Add([]byte("a\x1b[24;1Hä\x1b]0;t\x07\x1b[?1049h\x1b(0\x1b7"), uint8(3))
	f.Fuzz(func(t *testing.T, text []byte, piece uint8) {
		whole, parts := screenText{rows: 23}, screenText{rows: 23}
		want := whole.add(text)
		var got []byte
		for rest := text; len(rest) > 0; {
			n := min(len(rest), 1+int(piece%16))
			got = append(got, parts.add(rest[:n])...)
			rest = rest[n:]
		}
		if !bytes.Equal(got, want) || !bytes.Equal(parts.held, whole.held) || parts.quiet() != whole.quiet() {
			t.Fatalf("%q in pieces: %q, at once: %q", text, got, want)
		}
		if len(whole.held) > maxHeld {
			t.Fatalf("%d bytes are held", len(whole.held))
		}
		if !bytes.ContainsAny(text, "rHfd") && !bytes.Equal(append(want, whole.held...), text) {
			t.Fatalf("%q was changed to %q", text, want)
		}
	})
}
