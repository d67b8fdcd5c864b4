package api

import (
	"testing"
	"time"
)

func TestPreferred(t *testing.T) {
	const most = 90 * time.Second
	for line, want := range map[string]preference{
		"":                              {most, ""},
		"respond-async":                 {0, "respond-async"},
		"Respond-Async; x=y":            {0, "respond-async"},
		"wait=30":                       {30 * time.Second, "wait=30"},
		`wait = "30"`:                   {30 * time.Second, "wait=30"},
		"wait=0":                        {0, "wait=0"},
		"wait=1000":                     {most, "wait=90"},
		"wait=99999999999999999999":     {most, ""},
		"wait=-1, wait=soon, wait=":     {most, ""},
		"wait=5, wait=6":                {5 * time.Second, "wait=5"},
		"respond-async, wait=10":        {10 * time.Second, "respond-async, wait=10"},
		"return=minimal,,;=, handling=": {most, ""},
	} {
		if got := preferred([]string{line}, most); got != want {
			t.Errorf("%q: %+v, want %+v", line, got, want)
		}
	}
}
