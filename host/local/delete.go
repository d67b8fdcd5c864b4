package local

import (
	"context"
	"errors"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/once"
	"github.com/stagehouse/stagehouse/host/roster"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// Delete ends an agent that is not declared, in one commit. Its brain may take a moment to notice that its turns are over;
// nothing of them is kept any more. A stop that is under way is waited for.
func (s agents) Delete(ctx context.Context, id string, ifRevision int64) error {
	explain := func(err error) error {
		if errors.Is(err, errJoin) {
			return err
		}
		return fault.OrNotFound(s.log, err, "delete agent", "agent", id)
	}
	for {
		_, err := once.Do(ctx, s.once, explain, func(tx store.Tx) (struct{}, error) {
			return struct{}{}, s.drop(tx, id, ifRevision)
		})
		if !errors.Is(err, errJoin) {
			return err
		}
		if err := s.join(ctx, id); err != nil {
			return fault.Of(s.log, "delete agent", err)
		}
	}
}

// drop deletes an agent in a transaction, or says why it must stay.
func (s agents) drop(tx store.Tx, id string, ifRevision int64) error {
	a, err := tx.Agent(id)
	switch {
	case err != nil:
		return err
	case roster.Deletable(a, ifRevision) != nil:
		return roster.Deletable(a, ifRevision)
	case a.Status == schema.AgentStarting:
		return illegal(id, "deleted", a.Status)
	case s.registry.moving(id) != nil:
		return errJoin
	}
	if err := s.chat.CancelRuns(tx, id, schema.ReasonAgentStopped); err != nil {
		return err
	}
	tx.OnCommit(func() { s.registry.remove(id) })
	return roster.Delete(tx, a, ifRevision, s.now())
}
