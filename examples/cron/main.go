// Command cron is an extension that says things to agents at set times: each of them once, whatever is restarted. See README.md.
package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // where the system has no time zones

	schedules "github.com/robfig/cron/v3"

	"github.com/stagehouse/stagehouse/sdk"
)

// cron is the block extensions.cron of the configuration.
type cron struct {
	TimeZone string `json:"timeZone" doc:"Of jobs that have none, such as Europe/Rome"`
	Jobs     []job  `json:"jobs" doc:"What is said when"`
}

// job is one thing to say, again and again.
type job struct {
	Name         string `json:"name" required:"true" pattern:"^[a-z0-9][a-z0-9-]{0,63}$" doc:"Of the job; it keeps its place by it"`
	Schedule     string `json:"schedule" required:"true" doc:"Five fields (minute hour day month weekday), such as \"30 8 * * 1-5\", or @hourly, @daily, @every 10m"`
	TimeZone     string `json:"timeZone" doc:"In which the schedule is read"`
	Prompt       string `json:"prompt" required:"true" minLength:"1" doc:"What is said"`
	Agent        string `json:"agent" doc:"To whom. Empty = whoever fits"`
	Conversation string `json:"conversation" doc:"Where. Empty = a conversation of the job's own, cron-NAME"`
	Missed       missed `json:"missed" doc:"What becomes of times at which nobody was there: all are made up for, or one for all (once), or none (skip). Default once"`
}

// missed is what becomes of times that have passed.
type missed string

const (
	missedSkip missed = "skip"
	missedOnce missed = "once"
	missedAll  missed = "all"
)

// Validate says what the JSON Schema cannot.
func (x *cron) Validate() []sdk.Problem {
	var problems []sdk.Problem
	wrong := func(i int, key, message, suggestion string) {
		problems = append(problems, sdk.Problem{
			Severity: sdk.SeverityError, Pointer: fmt.Sprintf("/jobs/%d/%s", i, key), Message: message, Suggestion: suggestion,
		})
	}
	for i, j := range x.Jobs {
		if slices.ContainsFunc(x.Jobs[:i], func(k job) bool { return k.Name == j.Name }) {
			wrong(i, "name", "another job has that name", "choose another one")
		}
		if !slices.Contains([]missed{"", missedSkip, missedOnce, missedAll}, j.Missed) {
			wrong(i, "missed", fmt.Sprintf("cannot be %q", j.Missed), "use skip, once or all")
		}
		if _, err := time.LoadLocation(x.zone(j)); err != nil {
			wrong(i, "timeZone", err.Error(), "use a name such as Europe/Rome, or UTC")
		} else if _, err := x.schedule(j); err != nil {
			wrong(i, "schedule", err.Error(), `use five fields, such as "30 8 * * 1-5"`)
		}
	}
	return problems
}

func (x *cron) zone(j job) string { return cmp.Or(j.TimeZone, x.TimeZone, "UTC") }

func (x *cron) schedule(j job) (schedules.Schedule, error) {
	if strings.Contains(j.Schedule, "TZ=") {
		return nil, fmt.Errorf("the time zone is a key of its own, timeZone")
	}
	return schedules.ParseStandard("CRON_TZ=" + x.zone(j) + " " + j.Schedule)
}

// Start begins to wait.
func (x *cron) Start(_ context.Context, h *sdk.Host) error {
	k := &keeper{cron: x, host: h, begin: time.Now()}
	h.GoAlone(k.run) // two generations must not both speak
	return nil
}

func definition() sdk.Definition {
	return sdk.Definition{
		Name: "cron", Version: "1.0.0", Summary: "Says things to agents at set times", Requires: []string{sdk.ServiceChat},
		New: func() sdk.Extension { return &cron{TimeZone: "UTC"} },
	}
}

func main() { sdk.Main(definition()) }
