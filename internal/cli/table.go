package cli

import (
	"bytes"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// A table is rows under headings, in the form of page 004. The last column may be coloured.
type table struct {
	shell    *shell
	headings []string
	rows     [][]string
}

func (s *shell) table(headings ...string) *table { return &table{shell: s, headings: headings} }

// row adds a row. Cells lose what a terminal would act on.
func (t *table) row(cells ...string) {
	row := make([]string, len(cells))
	for i, c := range cells {
		if row[i] = c; !t.shell.raw {
			row[i] = plain(c)
		}
		row[i] = strings.NewReplacer("\t", " ", "\n", " ", "\v", " ", "\f", " ").Replace(row[i]) // they are tabwriter's own
	}
	t.rows = append(t.rows, row)
}

// print writes the table; one without rows is the sentence that nothing is there.
func (t *table) print(nothing string) error {
	if len(t.rows) == 0 {
		_, err := fmt.Fprintln(t.shell.err, nothing)
		return err
	}
	dashes := make([]string, len(t.headings))
	for i, h := range t.headings {
		width := utf8.RuneCountInString(h)
		for _, r := range t.rows {
			width = max(width, utf8.RuneCountInString(r[i]))
		}
		dashes[i] = strings.Repeat("-", width)
	}
	last := len(t.headings) - 1
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 8, 1, ' ', 0)
	for _, cells := range append([][]string{t.headings, dashes}, t.rows...) {
		cells[last] = t.shell.paint(cells[last])
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		if _, err := fmt.Fprintln(t.shell.out, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}
