package config

import (
	"bytes"
	"fmt"
	"strings"
)

// Sample returns a complete configuration with every setting that this version honours,
// its default and what it is for. Settings whose default depends on the machine are commented out.
func Sample() []byte {
	var b bytes.Buffer
	b.WriteString("# Sallyport's server. Every setting is optional; what stands here is the default.\n" +
		"# Each can also be given in the environment, which wins: SALLYPORT_ONCALL_MAX_STALENESS.\n")
	parent := ""
	for _, s := range settings() {
		if s.set == nil {
			continue
		}
		section, name, nested := strings.Cut(s.name, ".")
		indent := ""
		switch {
		case !nested:
			b.WriteByte('\n')
			name = s.name
		case section != parent:
			fmt.Fprintf(&b, "\n%s:\n", section)
			parent = section
			indent = "  "
		default:
			indent = "  "
		}
		for _, line := range strings.Split(s.about, "\n") {
			fmt.Fprintf(&b, "%s# %s\n", indent, line)
		}
		switch {
		case s.value == "":
			fmt.Fprintf(&b, "%s# %s: \"\"\n", indent, name)
		case s.form == texts:
			fmt.Fprintf(&b, "%s%s: [%s]\n", indent, name, s.value)
		default:
			fmt.Fprintf(&b, "%s%s: %s\n", indent, name, s.value)
		}
	}
	return b.Bytes()
}
