package problem

import "strings"

// Nearest returns the name that a misspelt one most likely stands for, or "".
func Nearest(name string, known []string) string {
	best, distance := "", len(name)/2+2
	for _, k := range known {
		if d := misspelt(strings.ToLower(name), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	if distance > max(1, len(name)/2) {
		return ""
	}
	return best
}

// misspelt returns with how many slips of the keyboard b becomes a: letters that are missing, too many, others, or two that
// are swapped (the distance of optimal string alignment). A plain Levenshtein distance counts a swap, which is the most
// common slip in a short word, as two.
func misspelt(a, b string) int {
	x, y := []rune(a), []rune(b)
	var last []int // the row before above
	above := make([]int, len(y)+1)
	for j := range above {
		above[j] = j
	}
	for i := range x {
		row := make([]int, len(y)+1)
		row[0] = i + 1
		for j := range y {
			other := above[j]
			if x[i] != y[j] {
				other++
			}
			row[j+1] = min(above[j+1]+1, row[j]+1, other)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], last[j-1]+1)
			}
		}
		last, above = above, row
	}
	return above[len(y)]
}
