package main

import (
	"strings"

	"ssm-doctor/agent/config"
)

// nearest is the candidate that word was probably meant to be, or empty: one with a
// typing error, or the only one that begins with it or holds it.
func nearest(word string, candidates []string) string {
	if n := config.Nearest(word, candidates); n != "" || len(word) < 3 {
		return n
	}
	for _, like := range []func(c, word string) bool{strings.HasPrefix, strings.Contains} {
		found := ""
		for _, c := range candidates {
			if c != found && like(c, strings.ToLower(word)) {
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
