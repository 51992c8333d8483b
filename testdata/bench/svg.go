//go:build linux

package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
)

// Sizes of the picture, in its own units.
const (
	barLeft   = 264
	barWidth  = 340 // of what is as fast as the limit
	barHeight = 11
	svgWidth  = 780
)

const svgTitle = "Speed over HTTPS, longer is better: with nginx and no proxy as the limit"

// svgStyle has colours for a light page and for a dark one. They differ in brightness
// as well, for those who do not see the hues.
const svgStyle = `<style>
text{font:12px system-ui,sans-serif;fill:#1f2328}.n{fill:#59636e}.t{font-weight:600}
.limit{stroke:#59636e;stroke-dasharray:3 3}.cachex{fill:#0969da}.squid{fill:#8fb8de}.mitmproxy{fill:#c3c9d0}
@media (prefers-color-scheme:dark){text{fill:#f0f6fc}.n{fill:#9198a1}.limit{stroke:#9198a1}.cachex{fill:#58a6ff}.squid{fill:#3f6a99}.mitmproxy{fill:#59616b}}
</style>
`

// svg draws how fast contenders are, as parts of the limit.
func (t *table) svg() []byte {
	var b bytes.Buffer
	y := 46
	for _, l := range t.loads {
		limit := t.figure(l.name, limitName).median(value)
		if !l.drawn || limit == 0 {
			continue
		}
		fmt.Fprintf(&b, "<text class=\"t\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", barLeft-76, y+barHeight-1, l.name)
		for _, c := range t.contenders {
			if c == limitName {
				continue
			}
			f := t.figure(l.name, c)
			fmt.Fprintf(&b, "<text class=\"n\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", barLeft-8, y+barHeight-1, c)
			if f == nil || len(f.Samples) == 0 {
				fmt.Fprintf(&b, "<text class=\"n\" x=\"%d\" y=\"%d\">%s</text>\n", barLeft+4, y+barHeight-1, html.EscapeString(f.reason()))
			} else {
				part := ratio(f.median(value), limit)
				width := math.Min(part*barWidth, svgWidth-barLeft-90)
				fmt.Fprintf(&b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n", c, barLeft, y, math.Max(width, 1), barHeight)
				fmt.Fprintf(&b, "<text class=\"n\" x=\"%.1f\" y=\"%d\">%s %s</text>\n", barLeft+width+5, y+barHeight-1, number(f.median(value)), l.unit)
			}
			y += barHeight + 4
		}
		y += 10
	}
	if b.Len() == 0 {
		fmt.Fprintf(&b, "<text x=\"8\" y=\"%d\">no figures</text>\n", y)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n%s", svgWidth, y, svgTitle, svgStyle)
	fmt.Fprintf(&out, "<text x=\"8\" y=\"16\">%s</text>\n", svgTitle)
	fmt.Fprintf(&out, "<line class=\"limit\" x1=\"%d\" x2=\"%d\" y1=\"38\" y2=\"%d\"/>\n", barLeft+barWidth, barLeft+barWidth, y-10)
	fmt.Fprintf(&out, "<text class=\"n\" x=\"%d\" y=\"33\" text-anchor=\"middle\">as fast as no proxy</text>\n", barLeft+barWidth)
	out.Write(b.Bytes())
	out.WriteString("</svg>\n")
	return out.Bytes()
}
