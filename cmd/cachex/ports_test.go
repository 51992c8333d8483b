package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestParsePublish(t *testing.T) {
	for spec, want := range map[string]string{
		"8080":              "127.0.0.1:8080>8080",
		"8080:80":           "127.0.0.1:8080>80",
		"8080/tcp":          "127.0.0.1:8080>8080",
		"0.0.0.0:8080":      "0.0.0.0:8080>8080",
		"0.0.0.0:8080:80":   "0.0.0.0:8080>80",
		"localhost:8080:80": "127.0.0.1:8080>80",
		"[::1]:8080":        "[::1]:8080>8080",
		"[::1]:8080:80":     "[::1]:8080>80",
		"":                  "\"\" is no port",
		"0":                 "no port",
		"65536":             "no port",
		"8080:0":            "no port",
		"8080:":             "no port",
		":8080":             "no port",
		"127.0.0.1::80":     "no port",
		"1:2:3:4":           "brackets",
		"::1:8080":          "brackets",
		"[::1]8080":         "[ADDRESS]:PORT",
		"[::1:8080":         "[ADDRESS]:PORT",
		"example.org:8080":  "no address of the host",
		"8080/udp":          "only TCP",
		"-1":                "no port",
	} {
		got, err := parsePublish([]string{spec})
		text := ""
		if err != nil {
			text = err.Error()
		} else {
			text = fmt.Sprintf("%s>%d", got[0].at, got[0].port)
		}
		if err != nil && !strings.Contains(text, want) || err == nil && text != want {
			t.Errorf("%q: %s, want %s", spec, text, want)
		}
	}
	if _, err := parsePublish([]string{"8080", "8080:80"}); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("the same port twice: %v", err)
	}
}

func TestPortsInAndOut(t *testing.T) {
	in, err := parsePublish([]string{"8080:80"})
	if err != nil {
		t.Fatal(err)
	}
	for port, clash := range map[uint16]bool{8080: true, 80: true, 81: false, 0: false} {
		if err := checkPorts(in, []uint16{port}); (err != nil) != clash {
			t.Errorf("--host-port %d: %v", port, err)
		}
	}
}
