// Package workshop is for those who write extensions: New makes the beginning of one, and a Bench builds one again whenever
// its sources have changed.
//
// It runs the go command, and nothing else. It may not know the host.
package workshop
