package main

import "ssm-doctor/agent/config"

// nearest is the candidate that word was probably meant to be, or empty.
func nearest(word string, candidates []string) string { return config.Nearest(word, candidates) }
