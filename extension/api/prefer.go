package api

import (
	"strconv"
	"strings"
	"time"
)

// Preferences of RFC 7240 that POST /api/chat/send knows.
const (
	headerPrefer  = "Prefer"
	headerApplied = "Preference-Applied"
	preferAsync   = "respond-async"
	preferWait    = "wait"
)

// preference is how long a client wants to wait for what it asks for.
type preference struct {
	wait    time.Duration
	applied string // what of its wishes is granted; "" = it has none
}

// preferred reads the lines of the header of a request that waits for most at the longest, and for as long if its client does
// not say. What it does not know, or cannot read, it ignores, as RFC 7240 wants it.
func preferred(lines []string, most time.Duration) preference {
	p := preference{wait: most}
	async := false
	for one := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		one, _, _ = strings.Cut(one, ";") // parameters, of which it has none
		name, value, _ := strings.Cut(one, "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.Trim(value, " \t\"")
		seconds, err := strconv.ParseUint(value, 10, 31)
		switch {
		case name == preferAsync:
			async = true
		case name == preferWait && err == nil && p.applied == "": // the first one counts
			p.wait = min(most, time.Duration(seconds)*time.Second)
			p.applied = preferWait + "=" + strconv.FormatInt(int64(p.wait/time.Second), 10)
		}
	}
	switch {
	case async && p.applied == "":
		return preference{applied: preferAsync}
	case async:
		p.applied = preferAsync + ", " + p.applied
	}
	return p
}
