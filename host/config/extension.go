package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/stagehouse/stagehouse/host/internal/strictjson"
	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/attach"
	"github.com/stagehouse/stagehouse/schema"
	"github.com/stagehouse/stagehouse/schema/problem"
)

// hostKeys returns the keys of its block that belong to the host.
func (e *Extension) hostKeys() []string {
	if e.Name == plugin.RuntimeName {
		return hostKeys[1:]
	}
	return hostKeys
}

// kind returns how a message speaks of a process.
func kind(name string) string {
	if name == plugin.RuntimeName {
		return "runtime"
	}
	return "extension"
}

// offer is what extensions offer to agents.
type offer struct {
	holders map[string]string // command → the extension that has it
	brains  []schema.BrainInfo
}

// checkExtension asks the extension for its JSON Schema and for what it thinks of its block, and holds the block against
// both. What it offers is added to the offer.
func (l Loader) checkExtension(ctx context.Context, e *Extension, offer *offer) ([]schema.Problem, error) {
	place := at(e.Name)
	result, err := l.Check(ctx, *e)
	var absent *attach.AbsentError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && !e.Enabled:
		return nil, nil // what is switched off need not work
	case errors.As(err, &absent):
		return []schema.Problem{{
			Severity: schema.SeverityWarning, Pointer: at(e.Name, "plugin", "attach"),
			Message: absent.Error(), Suggestion: "the block is not checked, and the host waits for the process",
		}}, nil
	case err != nil:
		return []schema.Problem{problem.Errorf(place, "", "%v", err)}, nil
	}
	if wrong := e.mistaken(result.Description); wrong != nil {
		return wrong, nil
	}
	var problems []schema.Problem
	if len(result.Description.ConfigSchema) > 0 {
		problems, err = e.validate(result.Description.ConfigSchema)
		if err != nil {
			return []schema.Problem{problem.Errorf(place, "tell the author of the "+kind(e.Name), "its own JSON Schema is broken: %v", err)}, nil
		}
	}
	for _, p := range result.Problems {
		p.Pointer = place + p.Pointer
		// The schema has said it already, in the same words for every extension.
		if !slices.ContainsFunc(problems, func(q schema.Problem) bool {
			return problem.Under(p.Pointer, q.Pointer) || problem.Under(q.Pointer, p.Pointer)
		}) {
			problems = append(problems, p)
		}
	}
	problems = append(problems, e.checkCommands(result.Description.Commands, offer.holders)...)
	problems = append(problems, e.checkBrain(result.Description.Brain, offer)...)
	return append(problems, e.missingGrants(result.Description.Requires)...), nil
}

// mistaken returns a problem where the program is an extension and should be a runtime, or the other way round.
func (e *Extension) mistaken(d schema.Description) []schema.Problem {
	isRuntime := len(d.Offers) > 0
	switch {
	case e.Name == plugin.RuntimeName && !isRuntime:
		return []schema.Problem{problem.Errorf(at(e.Name), "put it under extensions",
			"%s %s is an extension, and no runtime", d.Name, d.Version)}
	case e.Name != plugin.RuntimeName && isRuntime:
		return []schema.Problem{problem.Errorf(at(e.Name), "make it the block runtime",
			"%s %s is a runtime, and no extension", d.Name, d.Version)}
	}
	return nil
}

// checkCommands returns a problem for each command that another extension has, and a warning if the block does not grant it to
// have any.
func (e *Extension) checkCommands(commands []schema.Command, holders map[string]string) []schema.Problem {
	if !e.Enabled || len(commands) == 0 {
		return nil
	}
	if e.Grants != nil && !slices.Contains(e.Grants, schema.GrantCommands) {
		return []schema.Problem{{
			Severity: schema.SeverityWarning, Pointer: problem.Pointer("extensions", e.Name, "plugin", "grants"),
			Message: "the extension has commands for agents, which it is not granted to add", Suggestion: fmt.Sprintf("add %q", schema.GrantCommands),
		}}
	}
	var problems []schema.Problem
	for _, c := range commands {
		by, taken := holders[c.Name]
		if !taken {
			holders[c.Name] = e.Name
			continue
		}
		problems = append(problems, problem.Errorf(problem.Pointer("extensions", e.Name), "set enabled to false for one of them",
			"its command %q is also one of the extension %s, and agents could not tell them apart", c.Name, by))
	}
	return problems
}

// checkBrain adds the brain of the extension to the offer, or returns a warning if the block does not grant it to be one.
func (e *Extension) checkBrain(b *schema.BrainInfo, offer *offer) []schema.Problem {
	if !e.Enabled || b == nil {
		return nil
	}
	if e.Grants == nil || slices.Contains(e.Grants, schema.GrantBrain) {
		offered := *b
		offered.Provider = e.Name
		offer.brains = append(offer.brains, offered)
		return nil
	}
	return []schema.Problem{{
		Severity: schema.SeverityWarning, Pointer: problem.Pointer("extensions", e.Name, "plugin", "grants"),
		Message: "the extension is a brain, and is not granted to think for agents", Suggestion: fmt.Sprintf("add %q", schema.GrantBrain),
	}}
}

func (e *Extension) validate(configSchema json.RawMessage) ([]schema.Problem, error) {
	block, err := strictjson.Decode(e.Block)
	if err != nil {
		return nil, err
	}
	return problem.Schema{Raw: configSchema, Base: place(e.Name), Also: e.hostKeys()}.Check(block)
}

// missingGrants returns a problem for each service that the extension requires and the block does not grant.
func (e *Extension) missingGrants(requires []string) []schema.Problem {
	if e.Grants == nil {
		return nil
	}
	var problems []schema.Problem
	for _, service := range requires {
		if !slices.Contains(e.Grants, service) {
			problems = append(problems, problem.Errorf(at(e.Name, "plugin", "grants"),
				fmt.Sprintf("add %q", service), "the extension cannot do without the service %q, which it is not granted", service))
		}
	}
	return problems
}
