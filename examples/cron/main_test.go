package main

import (
	"context"
	"encoding/json"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/sdk"
	"github.com/stagehouse/stagehouse/sdk/sdktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// said is one message as the host got it.
type said struct {
	at  time.Time // by its context
	run string
	to  string
	in  string
}

// heard returns what was accepted of what the extension has said: a double was not.
func heard(t *testing.T, host *sdktest.Host) (all []said) {
	t.Helper()
	known := map[string]bool{}
	for _, c := range host.Calls("Chat.Send") {
		r := c.Input.(schema.SendRequest)
		text, _ := r.Context["time"].(string)
		at, err := time.Parse(time.RFC3339, text)
		if err != nil || c.Caller.Principal != "extension:cron" {
			t.Errorf("call %+v, %v", c, err)
		}
		if !known[r.RunID] {
			all = append(all, said{at, r.RunID, r.AgentID, r.ConversationID})
		}
		known[r.RunID] = true
	}
	return all
}

// clocks returns the times of the day, in UTC.
func clocks(all []said) (texts []string) {
	for _, s := range all {
		texts = append(texts, s.at.UTC().Format("15:04"))
	}
	return texts
}

func inBubble(t *testing.T, test func(t *testing.T, host *sdktest.Host, state string)) {
	state := t.TempDir()
	synctest.Test(t, func(t *testing.T) { test(t, sdktest.NewHost(sdk.Agent{ID: "nyx"}), state) })
}

// start runs the extension with one job. A bubble begins at midnight UTC of Saturday, the 1st of January 2000.
func start(t *testing.T, services sdk.Services, state, job string) *sdktest.Running {
	t.Helper()
	return sdktest.Start(t, definition(), `{"jobs":[{"name":"j","prompt":"Hello","agent":"nyx",`+job+`}]}`, services, sdktest.WithState(state))
}

func TestSchedules(t *testing.T) {
	for job, want := range map[string][]string{
		`"schedule":"0 */6 * * *"`:                              {"06:00", "12:00", "18:00", "00:00"},
		`"schedule":"30 8 * * 1-5"`:                             nil, // on a Saturday
		`"schedule":"30 8 1 * *","timeZone":"Asia/Kolkata"`:     {"03:00"},
		`"schedule":"@every 8h"`:                                {"08:00", "16:00", "00:00"},
		`"schedule":"0 9,17 * jan sat","timeZone":"US/Pacific"`: {"17:00"},
		`"schedule":"0 0 30 feb *"`:                             nil,
	} {
		inBubble(t, func(t *testing.T, host *sdktest.Host, state string) {
			start(t, host.Services(), state, job)
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			all := heard(t, host)
			if !slices.Equal(clocks(all), want) {
				t.Errorf("%s: at %v, want %v", job, clocks(all), want)
			}
			for _, s := range all {
				if s.to != "nyx" || s.in != "cron-j" {
					t.Errorf("%s: %+v", job, s)
				}
			}
		})
	}
}

// TestTheClockChanges: what is said daily is said once on the days on which Rome moves its clocks.
func TestTheClockChanges(t *testing.T) {
	rome, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		t.Fatal(err)
	}
	x := &cron{TimeZone: "Europe/Rome"}
	s, err := x.schedule(job{Schedule: "0 9 * * *"})
	if err != nil {
		t.Fatal(err)
	}
	year := time.Date(2024, 1, 1, 0, 0, 0, 0, rome)
	ticks := due(s, year, year.AddDate(1, 0, 0), missedAll)
	for i, tick := range ticks {
		if want := year.AddDate(0, 0, i); tick.In(rome).Format("2006-01-02 15:04") != want.Format("2006-01-02")+" 09:00" {
			t.Errorf("day %d is said at %v", i, tick.In(rome))
		}
	}
	if len(ticks) != 366 {
		t.Errorf("said %d times in a leap year", len(ticks))
	}
}

// TestLongMissed: of very many times the last ones are made up for.
func TestLongMissed(t *testing.T) {
	s, err := (&cron{}).schedule(job{Schedule: "* * * * *"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	if all := due(s, now.AddDate(0, 0, -7), now, missedAll); len(all) != mostMissed || !all[len(all)-1].Equal(now) {
		t.Errorf("%d times are made up for, the last one %v", len(all), all[len(all)-1])
	}
	if one := due(s, now.AddDate(0, 0, -7), now, missedOnce); len(one) != 1 || !one[0].Equal(now) {
		t.Errorf("made up for at %v", one)
	}
}

// TestMissed: nobody was there from half past ten until ten past two.
func TestMissed(t *testing.T) {
	for policy, want := range map[string][]string{
		"":     {"09:00", "10:00", "14:00", "15:00"},
		"once": {"09:00", "10:00", "14:00", "15:00"},
		"skip": {"09:00", "10:00", "15:00"},
		"all":  {"09:00", "10:00", "11:00", "12:00", "13:00", "14:00", "15:00"},
	} {
		inBubble(t, func(t *testing.T, host *sdktest.Host, state string) {
			job := `"schedule":"0 9-17 * * *","missed":"` + policy + `"`
			x := start(t, host.Services(), state, job)
			time.Sleep(10*time.Hour + 30*time.Minute)
			if err := x.Drain(context.Background()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3*time.Hour + 40*time.Minute)
			start(t, host.Services(), state, job)
			time.Sleep(time.Hour)
			synctest.Wait()
			if got := clocks(heard(t, host)); !slices.Equal(got, want) {
				t.Errorf("%q: at %v, want %v", policy, got, want)
			}
		})
	}
}

// TestMissedBeforeTheFirstTime: a new job that was known and never done is made up for, too; another schedule begins anew.
func TestMissedBeforeTheFirstTime(t *testing.T) {
	for job, want := range map[string]int{`"schedule":"0 9 * * *"`: 1, `"schedule":"0 8 * * *"`: 0} {
		inBubble(t, func(t *testing.T, host *sdktest.Host, state string) {
			x := start(t, host.Services(), state, `"schedule":"0 9 * * *"`)
			time.Sleep(time.Hour)
			synctest.Wait()
			if err := x.Drain(context.Background()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(12 * time.Hour)
			start(t, host.Services(), state, job)
			synctest.Wait()
			if all := heard(t, host); len(all) != want {
				t.Errorf("%s: said %v", job, clocks(all))
			}
		})
	}
}

// TestOnceIfNothingWasKept: the process dies after the host has accepted, and before the state says so.
func TestOnceIfNothingWasKept(t *testing.T) {
	inBubble(t, func(t *testing.T, host *sdktest.Host, state string) {
		job := `"schedule":"0 * * * *","missed":"all"`
		x := start(t, host.Services(), state, job)
		time.Sleep(90 * time.Minute)
		synctest.Wait()
		path := filepath.Join(state, stateName)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if err := x.Drain(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, before, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(48 * time.Hour) // longer than any key of idempotency lives
		start(t, host.Services(), state, job)
		time.Sleep(time.Second)
		synctest.Wait()
		replies := 0
		root := schema.WithCaller(t.Context(), schema.Caller{Principal: "root", Scopes: []schema.Scope{schema.ScopeAdmin}})
		events := host.Services().Events
		head, err := events.Head(root)
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range events.Subscribe(root, schema.EventQuery{Since: schema.Cursor{Epoch: head.Epoch}, Until: head}) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Type == schema.EventReply {
				replies++
			}
		}
		if all, sent := heard(t, host), len(host.Calls("Chat.Send")); len(all) != 51 || replies != 51 || sent != 53 {
			t.Errorf("%d times were said, %d answered, and %d tried; want 51, 51 and 53", len(all), replies, sent)
		}
	})
}

// moody is a Chat that refuses what comes, until it has done so often enough.
type moody struct {
	schema.Chat
	code    sdk.ErrorCode
	refused int
	times   int
}

func (m *moody) Send(ctx context.Context, r sdk.SendRequest) iter.Seq2[sdk.ChatEvent, error] {
	if m.refused < m.times {
		m.refused++
		return func(yield func(sdk.ChatEvent, error) bool) {
			yield(sdk.ChatEvent{}, schema.Errorf(m.code, "not now"))
		}
	}
	return m.Chat.Send(ctx, r)
}

// TestRefused: what may be accepted later is tried again, until it is time for the next; the rest is not.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		code  sdk.ErrorCode
		times int
		want  []string
	}{
		{sdk.CodeUnavailable, 5, []string{"01:00", "02:00"}},
		{sdk.CodeAgentNotRunning, 5, []string{"01:00", "02:00"}},
		{sdk.CodeNotFound, 1, []string{"02:00"}},
		{sdk.CodeUnavailable, 75, []string{"02:00"}},
	} {
		inBubble(t, func(t *testing.T, host *sdktest.Host, state string) {
			services := host.Services()
			services.Chat = &moody{Chat: services.Chat, code: c.code, times: c.times}
			start(t, services, state, `"schedule":"0 * * * *"`)
			time.Sleep(150 * time.Minute)
			synctest.Wait()
			if got := clocks(heard(t, host)); !slices.Equal(got, c.want) {
				t.Errorf("%s %d times: at %v, want %v", c.code, c.times, got, c.want)
			}
		})
	}
}

func TestRunID(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	id := runID("cron", "j", at)
	if len(id) != 30 || id != runID("cron", "j", at.In(time.FixedZone("", 3600))) {
		t.Errorf("the id is %s", id)
	}
	for _, other := range []string{runID("cron", "k", at), runID("more", "j", at), runID("cron", "j", at.Add(time.Minute))} {
		if other == id {
			t.Error("two have the same id")
		}
	}
}

func TestBlock(t *testing.T) {
	for block, at := range map[string]string{
		`{"jobs":[]}`: "",
		`{"jobs":[{"name":"j","prompt":"x","schedule":"0 9 * *"}]}`:                                                       "/jobs/0/schedule",
		`{"jobs":[{"name":"j","prompt":"x","schedule":"TZ=UTC 0 9 * * *"}]}`:                                              "/jobs/0/schedule",
		`{"jobs":[{"name":"j","prompt":"x","schedule":"0 9 * * *","timeZone":"Rome"}]}`:                                   "/jobs/0/timeZone",
		`{"jobs":[{"name":"j","prompt":"x","schedule":"0 9 * * *","missed":"some"}]}`:                                     "/jobs/0/missed",
		`{"jobs":[{"name":"J","prompt":"x","schedule":"0 9 * * *"}]}`:                                                     "/jobs/0/name",
		`{"jobs":[{"name":"j","prompt":"x","schedule":"0 9 * * *"},{"name":"j","prompt":"y","schedule":"0 9 * * *"}]}`:    "/jobs/1/name",
		`{"jobs":[{"name":"j","schedule":"0 9 * * *"}]}`:                                                                  "/jobs/0",
		`{"timeZone":"Europe/Rome","jobs":[{"name":"j","prompt":"x","schedule":"@daily","missed":"all","agent":"aria"}]}`: "",
	} {
		problems := sdktest.Check(t, definition(), block)
		if at == "" && len(problems) > 0 || at != "" && (len(problems) != 1 || problems[0].Pointer != at) {
			t.Errorf("%s: %+v, want a problem at %q", block, problems, at)
		}
	}
}

func TestItKeepsThePromises(t *testing.T) {
	sdktest.TestExtension(t, definition(), `{"jobs":[{"name":"j","prompt":"x","schedule":"@daily"}]}`, sdktest.NewHost().Services())
}

// TestReadmeShowsThisSource keeps README.md true.
func TestReadmeShowsThisSource(t *testing.T) {
	source, err := os.ReadFile("runid.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil || !strings.Contains(string(readme), "```go\n"+string(source)+"```\n") {
		t.Errorf("README.md does not show runid.go as it is (%v)", err)
	}
	_, block, _ := strings.Cut(string(readme), "```json\n")
	block, _, _ = strings.Cut(block, "```")
	var file struct {
		Extensions struct{ Cron json.RawMessage }
	}
	if err := json.Unmarshal([]byte(block), &file); err != nil {
		t.Fatal(err)
	}
	if problems := sdktest.Check(t, definition(), string(file.Extensions.Cron)); len(file.Extensions.Cron) == 0 || len(problems) > 0 {
		t.Errorf("the configuration in README.md: %+v\n%s", problems, block)
	}
}
