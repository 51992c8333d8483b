package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// The table is between these lines of its file.
const (
	tableBegin = "<!-- the rig's table begins -->\n"
	tableEnd   = "<!-- the rig's table ends -->\n"
)

// writeTable puts the results into a file, in place of the table in it.
func writeTable(name string, results []result) error {
	page, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(page, []byte(tableBegin))
	_, after, ok2 := bytes.Cut(rest, []byte(tableEnd))
	if !ok || !ok2 {
		return errors.New(name + " has no place for the table")
	}
	page = slices.Concat(before, []byte(tableBegin), table(results), []byte(tableEnd), after)
	return os.WriteFile(name, page, 0o644)
}

// table has a part for each family, in the order in which they first come.
func table(results []result) []byte {
	var families []string
	for _, r := range results {
		if !slices.Contains(families, r.family) {
			families = append(families, r.family)
		}
	}
	slices.Sort(families)
	var b bytes.Buffer
	for _, family := range families {
		fmt.Fprintf(&b, "\n### %s\n\n| client | version | looks in | is given | result |\n| --- | --- | --- | --- | --- |\n", family)
		for _, r := range results {
			if r.family != family {
				continue
			}
			words := r.words()
			if r.refuses != "" && r.missing == "" {
				words += ": " + r.refuses
			}
			row := []string{r.title, short(r.version), r.looks, r.given, words}
			for i := range row {
				row[i] = strings.ReplaceAll(row[i], "|", `\|`)
			}
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		}
	}
	b.WriteString("\n")
	return b.Bytes()
}

// short is a version without what stands behind it: how and where it was built.
func short(version string) string {
	version, _, _ = strings.Cut(version, " (")
	words := strings.Fields(version)
	return strings.Join(words[:min(len(words), 4)], " ")
}
