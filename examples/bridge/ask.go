package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/stagehouse/stagehouse/sdk"
)

// ask has an agent answer a message, once however often it is asked, and returns what is to be said in the chat. An error may be gone
// the next time.
func (k *keeper) ask(ctx context.Context, it *item) (string, error) {
	caller := k.host.Self(ctx, sdk.ScopeChat)
	id := runID(k.host.Name, it)
	err := k.begin(caller, id, it)
	switch code := sdk.CodeOf(err); {
	case err == nil, code == sdk.CodeAlreadyExists: // or an earlier process has begun it
	case code.Retryable(), code == sdk.CodeAgentNotRunning:
		return "", err
	default:
		k.host.Log.Warn("a message is refused", "chat", it.Chat, "error", err.Error())
		return "I cannot take that message.", nil
	}
	run, err := k.over(caller, id)
	switch {
	case err != nil:
		return "", err
	case run.Reply != nil:
		return run.Reply.Content, nil
	case run.Status == sdk.RunCancelled:
		return "", nil
	default:
		return "Something went wrong; please try again.", nil
	}
}

// begin begins a turn, and leaves it to its agent.
func (k *keeper) begin(ctx context.Context, id string, it *item) error {
	r := sdk.SendRequest{RunID: id, AgentID: k.Agent, ConversationID: conversation(it.Chat), Message: it.Text}
	for e, err := range k.host.Chat.Send(ctx, r) {
		if err != nil || e.Accepted != nil {
			return err
		}
	}
	return nil
}

// over waits until a run is over.
func (k *keeper) over(ctx context.Context, id string) (sdk.Run, error) {
	run, err := k.host.Chat.Run(ctx, id)
	if err != nil || run.Status.Terminal() {
		return run, err
	}
	since, err := sdk.ParseCursor(run.Since)
	if err != nil {
		return run, err
	}
	for e, err := range k.host.Events.Subscribe(ctx, sdk.EventQuery{Since: since, RunID: id}) {
		if err != nil {
			return run, err
		}
		if e.Type.Terminal() || e.Type == sdk.EventGap {
			break
		}
	}
	if run, err = k.host.Chat.Run(ctx, id); err == nil && !run.Status.Terminal() {
		err = fmt.Errorf("run %s is not over yet", id)
	}
	return run, err
}

// runID returns the id of the run that a message has: always the same, so that a second one is refused.
func runID(extension string, it *item) string {
	var id ulid.ULID
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d\x00%d", extension, it.Chat, it.Update))
	_ = id.SetTime(ulid.Timestamp(time.Unix(it.Date, 0))) // which fails after the year 10889
	_ = id.SetEntropy(sum[:10])                           // which is as long as it has to be
	return "run_" + strings.ToLower(id.String())
}
