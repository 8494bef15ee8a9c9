//go:build !linux

package gather

// setKernelNet fills what only this system's kernel can tell of the network: here
// routes are asked in other ways, and the state of a connection in none.
func setKernelNet(*Env) {}
