//go:build !race

package sim_test

// every is how many hosts there are for each that is tried.
const every = 1
