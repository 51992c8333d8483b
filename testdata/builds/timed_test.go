package main

import (
	"strings"
	"testing"
)

func TestShellTimes(t *testing.T) {
	if got, err := shellTimes("0m0.250000s 0m0.50s\n1m2.000000s 0m3.25s\n"); got != 66 || err != nil {
		t.Errorf("%v, %v, want 66", got, err)
	}
	for _, text := range []string{"", "0m1s 0m1s 0m1s", "x 0m1s 0m1s 0m1s"} {
		if _, err := shellTimes(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func TestTimedTable(t *testing.T) {
	phases := timedPhases()
	text := timedTable([]*timing{
		{build: "npm", timedPhase: phases[0], seconds: []float64{10, 12, 8}, buildCPU: []float64{20, 20, 20}},
		{build: "npm", timedPhase: phases[3], seconds: []float64{5}, buildCPU: []float64{20}, cachexCPU: []float64{1}},
		{build: "npm", timedPhase: phases[4]},
	}, 3)
	for _, want := range []string{
		"| npm | alone | 10.0 ±20 % |  | 20.0 |  |  |\n",
		"| npm | cachex warm | 5.0 ±0 % | 0.50 × alone | 20.0 | 1.00 | 5.0 % |\n",
		"| npm | cachex offline | failed |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
