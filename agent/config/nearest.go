package config

import "strings"

// Nearest is the candidate that word was probably meant to be, or empty: one with a
// typing error, else the only one that begins with it, that holds it, or that has a part
// which is it but for a typing error.
func Nearest(word string, candidates []string) string {
	if n := misspelt(word, candidates); n != "" || len(word) < 3 {
		return n
	}
	word = strings.ToLower(word) // as names are
	for _, like := range []func(c, word string) bool{strings.HasPrefix, strings.Contains, hasPart} {
		found := ""
		for _, c := range candidates {
			if c != found && like(c, word) {
				if found != "" {
					return "" // of several none is nearer
				}
				found = c
			}
		}
		if found != "" {
			return found
		}
	}
	return ""
}

// hasPart reports whether a part of a name is word with a typing error.
func hasPart(name, word string) bool {
	parts := strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune(".-_:", r) })
	return len(word) > 3 && len(parts) > 1 && misspelt(word, parts) != ""
}

// misspelt is the candidate with the fewest edits from word, if they are few
// enough to be a typing error: a third of its length, at least 1. Empty when
// none is. The first of equals wins.
func misspelt(word string, candidates []string) string {
	best, limit := "", max(1, len(word)/3)
	for _, c := range candidates {
		if d := edits(word, c, limit); d <= limit {
			best, limit = c, d-1
		}
	}
	return best
}

// edits is the number of insertions, deletions, substitutions and swaps of
// neighbours that turn a into b; more than limit when they are certainly more.
func edits(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit || len(a) > 100 {
		return limit + 1
	}
	two, one, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range one {
		one[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one, row = one, row, two
	}
	return one[len(b)]
}
