package predicate

import "strings"

// nearest returns what was most likely meant by name: a known name, or several
// joined by "or", or "".
func nearest(name string, known []string) string {
	lower := strings.ToLower(name)
	if found := forgotten(lower, known); len(found) > 0 {
		return strings.Join(found, " or ")
	}
	best, least := "", max(2, len(name)/3)+1
	for _, k := range known {
		if d := distance(lower, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// forgotten returns the known names of which name is a part: "roles" for
// reviewer.roles, "request.annotations" for request.system_annotations.
func forgotten(name string, known []string) []string {
	space, last, dotted := strings.Cut(name, ".")
	var found []string
	for _, k := range known {
		knownSpace, knownLast, _ := strings.Cut(k, ".")
		if !dotted && name == knownLast || dotted && space == knownSpace && strings.HasSuffix(knownLast, "_"+last) {
			found = append(found, k)
		}
	}
	return found
}

// distance is how many single letters must be added, dropped or changed to make
// a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
