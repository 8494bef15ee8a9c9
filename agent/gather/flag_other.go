//go:build !linux

package gather

func flagOf(string) string { return "" }
