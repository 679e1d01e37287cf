package core

import (
	"strings"
	"unicode/utf8"
)

// maxNear is the longest name, in bytes, for which a near one is looked for.
const maxNear = 100

// Nearest returns the name that was probably meant, for "did you mean": one that differs in
// case only, else the one that the fewest changes lead to, if those are few. It returns ""
// where nothing is near.
func Nearest(name string, of []string) string {
	if name == "" || len(name) > maxNear {
		return ""
	}
	word := []rune(strings.ToLower(name))
	best, fewest := "", max(1, len(word)/3)+1
	for _, candidate := range of {
		n := utf8.RuneCountInString(candidate)
		if len(candidate) > maxNear || n-len(word) >= fewest || len(word)-n >= fewest {
			continue
		}
		if d := editDistance(word, []rune(strings.ToLower(candidate)), fewest); d < fewest {
			best, fewest = candidate, d
		}
	}
	return best
}

// editDistance counts the letters to insert, drop, change or swap with their neighbour
// that lead from a to b. It gives up at limit.
func editDistance(a, b []rune, limit int) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := range a {
		row[0] = i + 1
		least := row[0]
		for j := range b {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			d := min(above[j]+cost, above[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				d = min(d, before[j-1]+1)
			}
			row[j+1] = d
			least = min(least, d)
		}
		if least >= limit {
			return limit
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}

// didYouMean is the hint for a name that does not exist.
func didYouMean(name string, of []string, otherwise string) string {
	if near := Nearest(name, of); near != "" {
		return "did you mean " + near + "?"
	}
	return otherwise
}
