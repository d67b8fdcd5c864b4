package hosttest_test

import (
	"context"
	"iter"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/guard"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/conform"
	"github.com/stagehouse/stagehouse/schema/conform/services"
)

// run runs the checks whose ids match against the reference runtime as changed makes it, and returns the ids by outcome.
func run(t *testing.T, match string, changed func(schema.Services) schema.Services, opts ...services.Option) map[conform.Outcome][]conform.Result {
	t.Helper()
	open := services.OpenIn(func(ctx context.Context, dir string) (services.Opened, error) {
		r, err := local.Open(ctx, local.Options{Dir: dir})
		if err != nil {
			return nil, err
		}
		return seen{r, changed(r.Services())}, nil
	})
	guarded := func(t conform.T) schema.Services { return guard.New(open.In()(t)) }
	all := slices.Concat(services.Runtime(open.In(), opts...), services.Errors(guarded, opts...), services.Lasting(open, opts...))
	r := conform.Runner{Match: regexp.MustCompile(match)}
	out := map[conform.Outcome][]conform.Result{}
	for _, res := range r.Run(t.Context(), t.Name(), all).Results {
		out[res.Outcome] = append(out[res.Outcome], res)
	}
	return out
}

func names(results []conform.Result) (ids []string) {
	for _, r := range results {
		ids = append(ids, strings.TrimPrefix(r.ID, "runtime/"))
	}
	slices.Sort(ids)
	return ids
}

// TestFewerServices: what a runtime offers is checked, whatever else it does not offer.
func TestFewerServices(t *testing.T) {
	for _, c := range []struct{ offered, passed, skipped string }{
		{"agents chat events", "once/.* errors/.* lasting/.*", "once/store once/store-at-once"},
		{"agents chat", "once/.* errors/.* lasting/.*", "lasting/log-goes-on once/store once/store-at-once"},
		{"chat", "once/.* errors/.* lasting/close.*", "errors/bad-values-are-named once/changes-of-agents once/errors once/store once/store-at-once"},
		{
			"memory", "once/.* errors/.* lasting/(once|closed).*",
			"errors/bad-values-are-named once/cancel once/changes-of-agents once/route once/send once/send-at-once",
		},
		{"agents events", "once/.* errors/.*", "once/another-request once/cancel once/errors once/is-the-callers-and-the-scopes once/route once/send once/send-at-once once/store once/store-at-once"},
	} {
		t.Run(c.offered, func(t *testing.T) {
			t.Parallel()
			only := func(s schema.Services) schema.Services { return s.Only(strings.Fields(c.offered)) }
			got := run(t, "runtime/("+strings.ReplaceAll(c.passed, " ", "|")+")", only)
			if len(got[conform.Failed]) > 0 || len(got[conform.Passed]) == 0 {
				t.Errorf("failed: %+v; passed: %v", got[conform.Failed], names(got[conform.Passed]))
			}
			if skipped := strings.Join(names(got[conform.Skipped]), " "); skipped != c.skipped {
				t.Errorf("skipped is %s, want %s", skipped, c.skipped)
			}
		})
	}
}

// TestDefectsOfFewerServices: what is wrong is caught where there is no memory, too.
func TestDefectsOfFewerServices(t *testing.T) {
	for name, caught := range map[string]string{
		"keys of requests are ignored": "once/another-request once/cancel once/changes-of-agents once/errors once/route once/send once/send-at-once",
		"turns are everybody's":        "once/is-the-callers-and-the-scopes",
		"a cancelled call is internal": "errors/cancelled",
		"a late call is cancelled":     "errors/deadline-exceeded",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, ok := defects()[name]
			if !ok {
				d = defect{breaks: turnsAreEverybodys}
			}
			open := func(t conform.T) schema.Services {
				return d.with(openFor(t)).Only([]string{"agents", "chat", "events"})
			}
			guarded := func(t conform.T) schema.Services {
				return d.with(guard.New(openFor(t))).Only([]string{"agents", "chat", "events"})
			}
			r := conform.Runner{Match: regexp.MustCompile("runtime/(once|errors)/"), Patience: brokenPatience}
			var failed []string
			for _, res := range r.Run(t.Context(), name, slices.Concat(services.Runtime(open), services.Errors(guarded))).Results {
				if res.Outcome == conform.Failed {
					failed = append(failed, strings.TrimPrefix(res.ID, "runtime/"))
				}
			}
			for _, want := range strings.Fields(caught) {
				if !slices.Contains(failed, want) {
					t.Errorf("%s has not failed; what has is %v", want, failed)
				}
			}
		})
	}
}

func turnsAreEverybodys(b *broken, s schema.Services) {
	b.chat.send = func(ctx context.Context, r schema.SendRequest) iter.Seq2[schema.ChatEvent, error] {
		return s.Chat.Send(schema.WithCaller(ctx, schema.Caller{Principal: "everybody", Scopes: []schema.Scope{schema.ScopeChat}}), r)
	}
}

// fixed has agents that nobody can change.
type fixed struct{ schema.Agents }

func (fixed) Create(context.Context, schema.NewAgent) (schema.Agent, error) {
	return schema.Agent{}, schema.Errorf(schema.CodeUnimplemented, "these agents are cast in stone")
}

func (fixed) Update(context.Context, string, schema.AgentPatch) (schema.Agent, error) {
	return schema.Agent{}, schema.Errorf(schema.CodeUnimplemented, "these agents are cast in stone")
}

func (fixed) Delete(context.Context, string, int64) error {
	return schema.Errorf(schema.CodeUnimplemented, "these agents are cast in stone")
}

func withFixed(s schema.Services) schema.Services {
	s.Agents = fixed{s.Agents}
	return s
}

// TestWithout: what is declared to be absent is skipped, and said to be; what is absent and not declared fails, and so does what
// is declared and there.
func TestWithout(t *testing.T) {
	declared := services.Without("agents.Create", "agents.Update", "agents.Delete")
	t.Run("declared", func(t *testing.T) {
		t.Parallel()
		got := run(t, "runtime/(agents|events|once|errors|lasting)/", withFixed, declared)
		if len(got[conform.Failed]) > 0 {
			t.Errorf("failed: %+v", got[conform.Failed])
		}
		for _, r := range got[conform.Skipped] {
			if !strings.Contains(strings.Join(r.Got, " "), "it is declared to do without agents.") {
				t.Errorf("%s is skipped because %v", r.ID, r.Got)
			}
		}
		for _, id := range []string{"agents/list-pages", "events/status-and-updates", "errors/cancelled", "once/changes-of-agents", "lasting/acknowledged-is-kept"} {
			if !slices.Contains(names(got[conform.Passed]), id) {
				t.Errorf("%s has not passed", id)
			}
		}
		if !slices.Contains(names(got[conform.Skipped]), "agents/create-at-once") {
			t.Errorf("skipped is %v", names(got[conform.Skipped]))
		}
	})
	t.Run("not declared", func(t *testing.T) {
		t.Parallel()
		got := run(t, "runtime/agents/(create-taken|update-unknown|delete-unknown)$", withFixed)
		if want := []string{"agents/create-taken", "agents/delete-unknown", "agents/update-unknown"}; !slices.Equal(names(got[conform.Failed]), want) {
			t.Errorf("failed is %v, want %v", names(got[conform.Failed]), want)
		}
	})
	for _, name := range services.Optional() {
		if name == "lasting" {
			continue // a check cannot tell
		}
		t.Run("there is "+name, func(t *testing.T) {
			t.Parallel()
			got := run(t, "runtime/runs/runs-list|runtime/agents/list$", func(s schema.Services) schema.Services { return s }, services.Without(name))
			if len(got[conform.Passed])+len(got[conform.Skipped]) > 0 && strings.HasPrefix(name, "chat") || !strings.Contains(strings.Join(got[conform.Failed][0].Got, " "), name) {
				t.Errorf("it came to %+v", got)
			}
		})
	}
	t.Run("unknown", func(t *testing.T) {
		t.Parallel()
		got := run(t, "runtime/agents/list$", withFixed, services.Without("agents.List"))
		if len(got[conform.Failed]) != 1 || !strings.Contains(got[conform.Failed][0].Got[0], "agents.Create, agents.Update") {
			t.Errorf("it came to %+v", got)
		}
	})
}

// TestWithoutLasting: a runtime that forgets is held to the rest.
func TestWithoutLasting(t *testing.T) {
	got := run(t, "runtime/lasting/", func(s schema.Services) schema.Services { return s }, services.Without("lasting"))
	if want := []string{"lasting/close-deadline", "lasting/closed-refuses"}; !slices.Equal(names(got[conform.Passed]), want) {
		t.Errorf("passed is %v, want %v", names(got[conform.Passed]), want)
	}
	if n := len(got[conform.Skipped]); n != 4 {
		t.Errorf("%d are skipped: %+v", n, got)
	}
}
