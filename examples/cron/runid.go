package main

import (
	"crypto/sha256"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// runID returns the id of the run that a job has at a time: always the same, and that of no other. A runtime refuses a second
// run of the same id, so that it does not matter how often, and by whom, it is asked for.
func runID(extension, job string, tick time.Time) string {
	var id ulid.ULID
	sum := sha256.Sum256([]byte(extension + "\x00" + job))
	_ = id.SetTime(ulid.Timestamp(tick)) // which fails after the year 10889
	_ = id.SetEntropy(sum[:10])          // which is as long as it has to be
	return "run_" + strings.ToLower(id.String())
}
