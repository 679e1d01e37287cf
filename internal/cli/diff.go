package cli

// near is how many lines that are the same stand around those that differ.
const near = 2

// diff compares two texts line by line: lines begin with "-" (only before), "+" (only
// after) or " " (in both). Long stretches of equal lines are left out.
func diff(before, after []string) []string {
	common := make([][]int, len(before)+1) // of the rests from i and j on
	for i := range common {
		common[i] = make([]int, len(after)+1)
	}
	for i := len(before) - 1; i >= 0; i-- {
		for j := len(after) - 1; j >= 0; j-- {
			if before[i] == after[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []string
	i, j := 0, 0
	for i < len(before) || j < len(after) {
		switch {
		case i < len(before) && j < len(after) && before[i] == after[j]:
			out = append(out, "  "+before[i])
			i, j = i+1, j+1
		case i < len(before) && (j == len(after) || common[i+1][j] >= common[i][j+1]):
			out = append(out, "- "+before[i])
			i++
		default:
			out = append(out, "+ "+after[j])
			j++
		}
	}
	return around(out)
}

// around keeps the lines near a difference, and marks what it leaves out.
func around(lines []string) []string {
	keep := make([]bool, len(lines))
	for n, l := range lines {
		if l[0] == ' ' {
			continue
		}
		for k := max(0, n-near); k <= min(len(lines)-1, n+near); k++ {
			keep[k] = true
		}
	}
	var out []string
	for n, l := range lines {
		switch {
		case keep[n]:
			out = append(out, l)
		case n == 0 || keep[n-1]:
			out = append(out, "  ...")
		}
	}
	return out
}
