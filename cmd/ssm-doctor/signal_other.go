//go:build !unix

package main

// reloadSignal delivers nothing: there is no such signal here.
func reloadSignal() (<-chan struct{}, func()) { return nil, func() {} }
