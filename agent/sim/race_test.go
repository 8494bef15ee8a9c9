//go:build race

package sim_test

// every is how many pairs of faults there are for each that is tried; hosts are
// slow under the race detector.
const every = 12
