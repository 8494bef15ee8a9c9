// Package daemon keeps examining the host: it runs on a schedule, serves the
// last report over HTTP and remembers changes of state.
package daemon
