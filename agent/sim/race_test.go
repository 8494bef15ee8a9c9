//go:build race

package sim_test

// every is how many hosts there are for each that is tried: they are slow under
// the race detector.
const every = 8
