package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// screenText follows what a command writes to its terminal as far as is needed to
// draw a line below it in between: where its sequences of control characters end,
// whether it shows a screen of its own, and whether it has saved the cursor.
// Sequences that would reach the last row are changed so that they do not. (ECMA-48,
// and xterm's ctlseqs for the private ones.)
type screenText struct {
	// rows are the command's; the terminal has one more.
	rows int

	held   []byte // a sequence, or a character, of which the end is to come
	str    bool   // in a string (OSC, DCS …), which ends with BEL or ST
	escape bool   // in a string, after ESC
	own    bool   // it shows the alternate screen
	saved  bool   // it has saved the cursor, and there is one place for that
	margin bool   // the scrolling region has to be set again
}

// maxHeld bounds a sequence. What is longer is none.
const maxHeld = 64

// quiet tells whether something may be drawn now.
func (t *screenText) quiet() bool {
	return len(t.held) == 0 && !t.str && !t.own && !t.saved
}

// add gives what is to be written in place of the text.
func (t *screenText) add(text []byte) []byte {
	out := make([]byte, 0, len(text)+32)
	for _, c := range text {
		out = t.byte(out, c)
	}
	return out
}

func (t *screenText) byte(out []byte, c byte) []byte {
	switch {
	case t.str:
		t.inString(c)
		return append(out, c)
	case len(t.held) > 0:
		t.held = append(t.held, c)
		return t.sequence(out, c)
	case c == 0x1b || c >= utf8.RuneSelf:
		t.held = append(t.held, c)
		return out
	}
	return append(out, c)
}

func (t *screenText) inString(c byte) {
	switch {
	case c == 0x07, c == 0x18, c == 0x1a, t.escape && c == '\\':
		t.str, t.escape = false, false
	default:
		t.escape = c == 0x1b
	}
}

// sequence looks whether what is held is whole with its last byte.
func (t *screenText) sequence(out []byte, c byte) []byte {
	h := t.held
	switch {
	case h[0] != 0x1b: // a character of several bytes
		if c < utf8.RuneSelf || utf8.RuneStart(c) { // the one before is broken
			t.held = h[:0]
			out = append(out, h[:len(h)-1]...)
			return t.byte(out, c)
		}
		if !utf8.FullRune(h) && len(h) < utf8.UTFMax {
			return out
		}
	case c == 0x18 || c == 0x1a || len(h) > maxHeld: // given up
	case len(h) == 2 && c == '[':
		return out
	case len(h) == 2 && strings.IndexByte("]PX^_", c) >= 0:
		t.str = true
	case h[1] == '[' && len(h) > 2:
		if c < 0x40 || c > 0x7e {
			return out
		}
		t.held = nil
		return append(out, t.control(h, string(h[2:len(h)-1]), c)...)
	case c >= 0x20 && c <= 0x2f:
		return out
	default:
		switch string(h[1:]) {
		case "7":
			t.saved = true
		case "8":
			t.saved = false
		case "c": // all is as at the beginning
			t.own, t.saved, t.margin = false, false, true
		}
	}
	t.held = nil
	return append(out, h...)
}

// control is a control sequence with its parameters, as it is to be written.
func (t *screenText) control(whole []byte, params string, final byte) []byte {
	whole = bytes.Clone(whole)
	switch {
	case final == 'h' || final == 'l':
		for _, mode := range strings.Split(strings.TrimPrefix(params, "?"), ";") {
			if strings.HasPrefix(params, "?") && (mode == "47" || mode == "1047" || mode == "1049") {
				t.own, t.margin = final == 'h', true
			}
		}
	case params == "" && final == 's':
		t.saved = true
	case params == "" && final == 'u':
		t.saved = false
	case params == "!" && final == 'p':
		t.margin, t.saved = true, false
	case strings.Trim(params, "0123456789;") != "":
	case final == 'r':
		return t.within(params, 1, 'r')
	case final == 'H' || final == 'f' || final == 'd':
		return t.within(params, 0, final)
	}
	return whole
}

// within keeps the parameter at a place, which is a row, within the command's rows.
// The second of a scrolling region is the last row where it is left out.
func (t *screenText) within(params string, at int, final byte) []byte {
	list := strings.Split(params, ";")
	if at == 1 && len(list) < 2 {
		list = append(list, "")
	}
	if n, err := strconv.Atoi(list[at]); n > t.rows || at == 1 && (err != nil || n == 0) {
		list[at] = strconv.Itoa(t.rows)
	}
	return fmt.Appendf(nil, "\x1b[%s%c", strings.Join(list, ";"), final)
}
