package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// A PATCH is a JSON merge patch (RFC 7396): an object in it is merged into the one that is there, member by member. A runtime
// takes values as a whole; so they are merged here, and the update demands the revision that they were merged into. Where
// somebody else was faster, they are merged anew.

var _ huma.Resolver = (*updateAgentInput)(nil)

// Resolve implements huma.Resolver: beside the condition, it keeps the objects of a PATCH as they were sent.
func (in *updateAgentInput) Resolve(ctx huma.Context) []error {
	in.nested = nil
	if errs := in.Condition.Resolve(ctx); len(errs) > 0 || ctx.Method() != fiber.MethodPatch {
		return errs
	}
	var members map[string]any
	d := json.NewDecoder(bytes.NewReader(humafiber.UnwrapV2(ctx).Body()))
	d.UseNumber()
	if err := d.Decode(&members); err != nil {
		return nil // huma says what is wrong with it
	}
	in.nested = map[string]any{}
	for name, value := range members {
		if _, ok := value.(map[string]any); ok {
			in.nested[name] = value
		}
	}
	return nil
}

// mergeAgent merges the objects of a patch into those of the agent, and updates it.
func (s *Server) mergeAgent(ctx context.Context, in *updateAgentInput) (schema.Agent, error) {
	for attempt := 1; ; attempt++ {
		now, err := s.services.Agents.Get(ctx, in.AgentID)
		if schema.CodeOf(err) == schema.CodeNotFound {
			// There is nothing to merge with. The update says so, or what came of the same request before.
			now, err = schema.Agent{Revision: noRevision}, nil
		}
		if err != nil {
			return schema.Agent{}, err
		}
		patch, err := in.mergedWith(now)
		if err != nil {
			return schema.Agent{}, err
		}
		revision, err := in.demanded(func() (int64, error) { return now.Revision, nil })
		if err != nil {
			return schema.Agent{}, err
		}
		patch.IfRevision = now.Revision
		if revision != 0 && revision != now.Revision {
			patch.IfRevision = noRevision
		}
		a, err := s.updateOnce(ctx, attempt, in.AgentID, patch)
		if schema.CodeOf(err) != schema.CodeRevisionMismatch || revision != 0 || now.Revision == noRevision {
			return a, err
		}
	}
}

// updateOnce is an attempt of a request that may need several. That one of them came too late is what came of it, and is kept
// under the key of the request; so each has a scope of its own, and a request that is repeated goes through them all again.
func (s *Server) updateOnce(ctx context.Context, attempt int, id string, patch schema.AgentPatch) (schema.Agent, error) {
	request := schema.OnceFrom(ctx)
	if request == nil {
		return s.services.Agents.Update(ctx, id, patch)
	}
	once := &schema.Once{Key: request.Key, Scope: request.Scope, Digest: request.Digest}
	if attempt > 1 {
		once.Scope += fmt.Sprintf(" #%d", attempt)
	}
	a, err := s.services.Agents.Update(schema.WithOnce(ctx, once), id, patch)
	if once.Replayed() && schema.CodeOf(err) != schema.CodeRevisionMismatch {
		request.Replay()
	}
	return a, err
}

// mergedWith returns the patch with its objects merged into those of the agent.
func (in *updateAgentInput) mergedWith(now schema.Agent) (schema.AgentPatch, error) {
	patch := in.Body.AgentPatch
	for name, into := range map[string]any{"metadata": now.Metadata, "brain": now.Brain} {
		change, ok := in.nested[name]
		if !ok {
			continue
		}
		there, err := decoded(into)
		if err != nil {
			return patch, err
		}
		member, err := json.Marshal(map[string]any{name: merged(there, change)})
		if err != nil {
			return patch, fmt.Errorf("encode what was merged: %w", err)
		}
		if err := json.Unmarshal(member, &patch); err != nil {
			return patch, schema.Invalid(name, "%v", err)
		}
	}
	return patch, nil
}

// decoded returns a value as JSON has it.
func decoded(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode what is there: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var out any
	if err := d.Decode(&out); err != nil {
		return nil, fmt.Errorf("decode what is there: %w", err)
	}
	return out, nil
}

// merged is the function MergePatch of RFC 7396 §2. It changes neither of its arguments.
func merged(target, patch any) any {
	members, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	there, _ := target.(map[string]any)
	out := maps.Clone(there)
	if out == nil {
		out = map[string]any{}
	}
	for name, value := range members {
		if value == nil {
			delete(out, name)
		} else {
			out[name] = merged(out[name], value)
		}
	}
	return out
}
