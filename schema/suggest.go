package schema

import (
	"fmt"
	"slices"

	"github.com/agext/levenshtein"
)

// Suggest returns the candidate that the given word was probably meant to be, "" if none is near.
func Suggest(given string, candidates []string) string {
	best, bestDistance := "", 3
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if d := levenshtein.Distance(given, c, nil); d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	return best
}

// DidYouMean returns a sentence with a leading blank that suggests a candidate, or "".
func DidYouMean(given string, candidates []string) string {
	if s := Suggest(given, candidates); s != "" {
		return fmt.Sprintf(" Did you mean %q?", s)
	}
	return ""
}
