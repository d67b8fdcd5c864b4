package hosttest_test

import (
	"context"
	"slices"

	"github.com/stagehouse/stagehouse/schema"
)

// defects returns what may be wrong with a runtime, by what that is.
func defects() map[string]defect {
	all := inClosing()
	for _, part := range []map[string]service{everywhere(), inAgents(), inChat(), inConversations(), inMemory(), inEvents(), inUsage()} {
		for name, s := range part {
			all[name] = defect{caught: s.caught, breaks: s.breaks}
		}
	}
	return all
}

// service is a defect that is seen while a runtime is open.
type service struct {
	caught string
	breaks func(b *broken, s schema.Services)
}

// recode returns what makes one code of another one.
func recode(from, to schema.ErrorCode) func(b *broken, _ schema.Services) {
	return func(b *broken, _ schema.Services) {
		b.out = func(err error) error {
			if schema.CodeOf(err) != from {
				return err
			}
			return schema.Errorf(to, "%s", err)
		}
	}
}

// asRoot returns a context of an administrator who has the caller's name.
func asRoot(ctx context.Context) context.Context {
	c := schema.CallerFrom(ctx)
	c.Scopes = []schema.Scope{schema.ScopeAdmin}
	return schema.WithCaller(ctx, c)
}

// everywhere are defects of all services.
func everywhere() map[string]service {
	return map[string]service{
		"what is not there is internal": {
			`agents/get-unknown agents/update-unknown agents/start-unknown agents/stop-unknown agents/delete-unknown
			agents/create-get-delete agents/create-unknown-brain chat/send-unknown-agent chat/run-unknown chat/run-foreign
			chat/cancel-unknown chat/conversation-unknown chat/conversation-given-id-unknown chat/conversation-foreign
			chat/conversation-created-badly chat/conversation-deleted chat/conversation-changed-by-others
			memory/store-unknown-agent memory/get-unknown memory/delete-unknown memory/get-of-another-agent memory/of-any-agent
			memory/isolation`,
			recode(schema.CodeNotFound, schema.CodeInternal),
		},
		"what is taken is internal": {
			"agents/create-taken agents/create-at-once chat/run-id-twice chat/run-id-twice-at-once chat/conversation-created-badly",
			recode(schema.CodeAlreadyExists, schema.CodeInternal),
		},
		"another revision is internal": {
			`agents/update-revision-mismatch agents/update-compare-and-swap agents/delete-revision-mismatch
			chat/conversation-revisions`,
			recode(schema.CodeRevisionMismatch, schema.CodeInternal),
		},
		"what is invalid is internal": {
			`agents/list-pages agents/create-unknown-brain chat/conversation-pages chat/conversations-pages chat/messages-since-badly
			runs/runs-pages memory/store-already-expired errors/bad-values errors/odd-ids errors/bad-values-are-named`,
			recode(schema.CodeInvalidArgument, schema.CodeInternal),
		},
		"a stopped agent is not found": {"chat/send-stopped-agent", recode(schema.CodeAgentNotRunning, schema.CodeNotFound)},
		"nobody who fits is not found": {
			"chat/route-nobody-fits runs/routing-that-finds-nobody-has-details once/route",
			recode(schema.CodeNoAgentFits, schema.CodeNotFound),
		},
		"a cancelled call is internal": {"errors/cancelled events/cancelled-context", recode(schema.CodeCancelled, schema.CodeInternal)},
		"a late call is cancelled":     {"errors/deadline-exceeded", recode(schema.CodeDeadlineExceeded, schema.CodeCancelled)},
		"what is forbidden is done silently": {
			"chat/conversation-changed-by-others memory/shared",
			func(b *broken, _ schema.Services) {
				b.out = func(err error) error {
					if schema.CodeOf(err) == schema.CodePermissionDenied {
						return nil
					}
					return err
				}
			},
		},
		"an error has no details": {
			"runs/routing-that-finds-nobody-has-details runs/busy-reject errors/bad-values-are-named",
			func(b *broken, _ schema.Services) {
				b.out = func(err error) error { return schema.Errorf(schema.CodeOf(err), "%s", err) }
			},
		},
		"a refused call has changed something": {
			"errors/bad-values-change-nothing",
			func(b *broken, s schema.Services) {
				b.out = func(err error) error {
					if schema.CodeOf(err) == schema.CodeInvalidArgument {
						root := schema.WithCaller(context.Background(), schema.Caller{Principal: "root", Scopes: []schema.Scope{schema.ScopeAdmin}})
						_, _ = s.Agents.Update(root, "nyx", schema.AgentPatch{Persona: schema.Set(err.Error())})
					}
					return err
				}
			},
		},
		"keys of requests are ignored": {
			`agents/create-delete-once chat/conversation-created chat/conversation-renamed once/send once/send-at-once
			once/store-at-once once/route once/store once/changes-of-agents once/cancel once/another-request once/errors`,
			func(b *broken, _ schema.Services) {
				b.in = func(ctx context.Context) context.Context { return schema.WithOnce(ctx, nil) }
			},
		},
		"keys of requests are everybody's": {"once/is-the-callers-and-the-scopes", keysAreEverybodys},
		"everybody is an administrator": {
			`chat/run-foreign chat/conversation-ids-are-per-principal chat/conversation-foreign chat/conversations-none
			chat/conversations-of-everybody chat/conversations-found-are-the-callers runs/runs-list memory/isolation memory/shared
			memory/of-any-agent events/visibility`,
			func(b *broken, _ schema.Services) { b.in = asRoot },
		},
	}
}

func keysAreEverybodys(b *broken, s schema.Services) {
	known := map[string]schema.MemoryItem{}
	b.memory.store = func(ctx context.Context, n schema.NewMemory) (schema.MemoryItem, error) {
		o := schema.OnceFrom(ctx)
		if m, ok := known[o.Key]; ok {
			o.Replay()
			return m, nil
		}
		m, err := s.Memory.Store(ctx, n)
		known[o.Key] = m
		return m, err
	}
}

func inAgents() map[string]service {
	update := func(change func(p *schema.AgentPatch)) func(*broken, schema.Services) {
		return func(b *broken, s schema.Services) {
			b.agents.update = func(ctx context.Context, id string, p schema.AgentPatch) (schema.Agent, error) {
				change(&p)
				return s.Agents.Update(ctx, id, p)
			}
		}
	}
	list := func(change func(q *schema.AgentQuery, page *schema.AgentPage)) func(*broken, schema.Services) {
		return func(b *broken, s schema.Services) {
			b.agents.list = func(ctx context.Context, q schema.AgentQuery) (schema.AgentPage, error) {
				change(&q, new(schema.AgentPage))
				page, err := s.Agents.List(ctx, q)
				change(new(schema.AgentQuery), &page)
				return page, err
			}
		}
	}
	create := func(change func(n *schema.NewAgent)) func(*broken, schema.Services) {
		return func(b *broken, s schema.Services) {
			b.agents.create = func(ctx context.Context, n schema.NewAgent) (schema.Agent, error) {
				change(&n)
				return s.Agents.Create(ctx, n)
			}
		}
	}
	n := 0
	return map[string]service{
		"agents are listed backwards":       {"agents/list", list(func(_ *schema.AgentQuery, p *schema.AgentPage) { slices.Reverse(p.Agents) })},
		"the first page of agents ends":     {"agents/list-pages", list(func(_ *schema.AgentQuery, p *schema.AgentPage) { p.NextCursor = "" })},
		"the filter by skill is ignored":    {"agents/list-filters", list(func(q *schema.AgentQuery, _ *schema.AgentPage) { q.Skill = "" })},
		"null leaves a member as it is":     {"agents/update-null-clears", update(func(p *schema.AgentPatch) { p.Description.Present = p.Description.Present && !p.Description.Null })},
		"a persona cannot be changed":       {"agents/update-replaces", update(func(p *schema.AgentPatch) { p.Persona = schema.Field[string]{} })},
		"absent members are cleared":        {"agents/update-absent-keeps", update(func(p *schema.AgentPatch) { p.Persona.Present = true })},
		"a change of nothing is a revision": {"agents/update-nothing-keeps-revision", update(func(p *schema.AgentPatch) { n++; p.Persona = schema.Set(string(rune('a' + n))) })},
		"IfRevision is ignored": {
			"agents/update-revision-mismatch agents/update-compare-and-swap",
			update(func(p *schema.AgentPatch) { p.IfRevision = 0 }),
		},
		"a new agent has no skills": {"agents/create-get-delete", create(func(n *schema.NewAgent) { n.Skills = nil })},
		"any brain will do":         {"agents/create-unknown-brain", create(func(n *schema.NewAgent) { n.Brain = schema.Brain{} })},
		"a new agent always runs":   {"agents/create-fills-in", create(func(n *schema.NewAgent) { n.Start = true })},
		"Get shows another description": {"agents/get", func(b *broken, s schema.Services) {
			b.agents.get = func(ctx context.Context, id string) (schema.Agent, error) {
				a, err := s.Agents.Get(ctx, id)
				a.Description += "!"
				return a, err
			}
		}},
		"numbers are floats": {"agents/update-keeps-numbers", func(b *broken, s schema.Services) {
			b.agents.get = func(ctx context.Context, id string) (schema.Agent, error) {
				a, err := s.Agents.Get(ctx, id)
				if a.Metadata["big"] != nil {
					a.Metadata = schema.Object{"big": 1.2345678901234568e22, "exact": 0.1}
				}
				return a, err
			}
		}},
		"who deletes does not look at the revision": {"agents/delete-revision-mismatch", func(b *broken, s schema.Services) {
			b.agents.delete = func(ctx context.Context, id string, _ int64) error { return s.Agents.Delete(ctx, id, 0) }
		}},
		"what cannot be deleted is said to be": {"agents/delete-declared", func(b *broken, s schema.Services) {
			b.agents.delete = func(ctx context.Context, id string, rev int64) error {
				if err := s.Agents.Delete(ctx, id, rev); schema.CodeOf(err) != schema.CodeFailedPrecondition {
					return err
				}
				return nil
			}
		}},
		"memories outlive their agent": {"agents/delete-memories-not-conversations", func(b *broken, s schema.Services) {
			kept := map[string]schema.MemoryItem{}
			b.memory.store = func(ctx context.Context, n schema.NewMemory) (schema.MemoryItem, error) {
				m, err := s.Memory.Store(ctx, n)
				kept[m.ID] = m
				return m, err
			}
			b.memory.get = func(_ context.Context, _, id string) (schema.MemoryItem, error) { return kept[id], nil }
		}},
		"an agent that is stopped cannot be stopped": {"agents/stop-start-idempotent", func(b *broken, s schema.Services) {
			b.agents.stop = func(ctx context.Context, id string) (schema.Agent, error) {
				if a, err := s.Agents.Get(ctx, id); err == nil && a.Status == schema.AgentStopped {
					return a, schema.Errorf(schema.CodeFailedPrecondition, "it is stopped")
				}
				return s.Agents.Stop(ctx, id)
			}
		}},
		"an agent that was stopped does not run again": {"chat/stop-ends-unfinished-turns", func(b *broken, s schema.Services) {
			b.agents.start = func(ctx context.Context, id string) (schema.Agent, error) { return s.Agents.Get(ctx, id) }
		}},
	}
}
