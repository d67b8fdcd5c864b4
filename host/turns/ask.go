package turns

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// MaxDepth is how many agents may ask each other for one message that was sent.
const MaxDepth = 3

// ContextAskedBy is the key under which the context of a message that an agent asks says which one.
const ContextAskedBy = "askedBy"

// askedPrefix begins the ids of conversations between agents.
const askedPrefix = "asked-"

// Ask has another agent answer a message within this turn, and returns its run when that is over, however it ended. It is a run
// like any other, of the same principal with the same scopes, in a conversation that the two have about that of this turn. Meanwhile
// this turn gives up its place, so that agents which wait for each other do not keep each other from working; a second Ask
// waits for the first.
//
// The error is a *schema.Error if the other agent does not take the message, and CodeFailedPrecondition beyond MaxDepth. If ctx ends
// the run is cancelled, and the error is its cause.
func (t *Turn) Ask(ctx context.Context, agentID, message string) (schema.Run, error) {
	switch {
	case agentID == t.Run.AgentID:
		return schema.Run{}, schema.Invalid("agent", "an agent cannot ask itself")
	case t.Depth >= MaxDepth:
		return schema.Run{}, schema.Errorf(schema.CodeFailedPrecondition,
			"%d agents have asked each other for this message, which is all that may; answer without", MaxDepth)
	}
	t.asking.Lock()
	defer t.asking.Unlock()
	s := t.chat
	var asked *Turn
	in := intake{
		SendRequest: schema.SendRequest{
			AgentID: agentID, ConversationID: t.between(agentID), Message: message, Context: schema.Object{ContextAskedBy: t.Run.AgentID},
		},
		principal: t.Run.Principal, scopes: t.Scopes, asker: t, begun: func(begun *Turn) { asked = begun },
	}
	if err := in.Validate(); err != nil {
		return schema.Run{}, err
	}
	a, err := s.admit(ctx, in)
	if err != nil {
		return schema.Run{}, err
	}
	s.turns.rest(ctx, func() {
		select {
		case <-asked.ctx.Done():
		case <-ctx.Done():
		}
	})
	if ctx.Err() != nil {
		s.abandon(a.RunID)
		return schema.Run{}, context.Cause(ctx)
	}
	return s.Run(schema.WithCaller(ctx, schema.Caller{Principal: t.Run.Principal}), a.RunID)
}

// between is the id of the conversation that the agent of the turn has with another one about the conversation of the turn.
func (t *Turn) between(agentID string) string {
	about := sha256.Sum256([]byte(strings.Join([]string{t.Run.ConversationID, t.Run.AgentID, agentID}, "\x00")))
	return askedPrefix + hex.EncodeToString(about[:16])
}

// abandon cancels a run that nobody waits for any more.
func (s *Chat) abandon(id string) {
	err := s.store.Update(context.Background(), func(tx store.Tx) error {
		run, err := tx.Run(id)
		if errors.Is(err, store.ErrNotFound) || err == nil && run.Status.Terminal() {
			return nil
		}
		if err == nil {
			_, err = s.endRun(tx, run, schema.RunCancelled, schema.ReasonCancelled, "")
		}
		return err
	})
	if err != nil && !errors.Is(err, store.ErrClosed) {
		s.log.Error("cannot cancel the run of an agent that was asked", "run", id, "error", err)
	}
}
