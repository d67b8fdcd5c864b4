// Package roster has what happens to agents that are in a store.Store: each function makes one change in a transaction, together
// with the event that tells of it, as schema.Agents has it. What an agent needs before it can run, and what it does then, is
// its runtime's own affair.
package roster

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/stagehouse/stagehouse/host/paging"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/schema"
)

// AgentList is the list of the agents, ordered by id.
const AgentList paging.List = "agents"

// List returns a page of agents.
func List(r store.Reader, q schema.AgentQuery) (schema.AgentPage, error) {
	page, limit := schema.AgentPage{Agents: []schema.Agent{}}, schema.PageSize(q.Limit)
	last, err := AgentList.Place(q.Cursor)
	if err != nil {
		return page, err
	}
	all, err := r.Agents()
	if err != nil {
		return page, err
	}
	for _, a := range all {
		switch {
		case q.Cursor != "" && a.ID <= last || !Selects(q, a.Agent):
		case len(page.Agents) == limit:
			page.NextCursor = AgentList.Cursor(page.Agents[limit-1].ID)
			return page, nil
		default:
			page.Agents = append(page.Agents, a.Agent)
		}
	}
	return page, nil
}

// Selects reports whether a query is about an agent, whatever the page.
func Selects(q schema.AgentQuery, a schema.Agent) bool {
	return (q.Status == "" || q.Status == a.Status) &&
		(q.Skill == "" || slices.ContainsFunc(a.Skills, func(have string) bool { return strings.EqualFold(have, q.Skill) }))
}

// Insert keeps a new agent, and starts one that is to run (store.Agent.Desired). CodeAlreadyExists if its id is taken.
func Insert(tx store.Tx, a store.Agent, at time.Time) (store.Agent, error) {
	_, err := tx.Agent(a.ID)
	switch {
	case err == nil:
		return a, Taken(a.ID)
	case !errors.Is(err, store.ErrNotFound):
		return a, err
	}
	a.CreatedAt = at.UTC()
	if a, err = keep(tx, a, at, schema.EventCreated, schema.Created{Revision: a.Revision}); err != nil || !a.Desired {
		return a, err
	}
	return Start(tx, a, at)
}

// Taken is the error of an id that is taken.
func Taken(id string) error {
	return schema.Errorf(schema.CodeAlreadyExists, "there is an agent %s already; choose another id, or change that one", id)
}

// Patch changes the mutable fields of an agent. One that changes nothing tells nothing, and keeps the revision.
// CodeRevisionMismatch if p wants another revision.
func Patch(tx store.Tx, a store.Agent, p schema.AgentPatch, defaultBrain schema.Brain, at time.Time) (store.Agent, error) {
	if err := revision(a, p.IfRevision, "repeat the change"); err != nil {
		return a, err
	}
	before := a.Agent
	if a.Agent = p.Apply(before, defaultBrain); !a.Differs(before) {
		return a, nil
	}
	a.Revision++
	return keep(tx, a, at, schema.EventUpdated, schema.Updated{Revision: a.Revision})
}

// Become brings an agent to a status, and says why. Whether it may go there is not looked at; reason is kept where it fails.
func Become(tx store.Tx, a store.Agent, to schema.AgentStatus, reason string, at time.Time) (store.Agent, error) {
	from := a.Status
	a.Status, a.StatusReason = to, ""
	if to == schema.AgentFailed {
		a.StatusReason = reason
	}
	a.Revision++
	return keep(tx, a, at, schema.EventStatus, schema.StatusChange{Status: to, Previous: from, Reason: reason, Revision: a.Revision})
}

// Start brings an agent that needs nothing to start to running. One that runs stays as it is.
func Start(tx store.Tx, a store.Agent, at time.Time) (store.Agent, error) {
	return through(tx, a, schema.AgentStarting, schema.AgentRunning, at)
}

// Stop brings an agent that has nothing to finish to stopped. One that is stopped stays as it is. Its runs are cancelled before,
// by turns.Chat.CancelRuns.
func Stop(tx store.Tx, a store.Agent, at time.Time) (store.Agent, error) {
	return through(tx, a, schema.AgentStopping, schema.AgentStopped, at)
}

func through(tx store.Tx, a store.Agent, via, to schema.AgentStatus, at time.Time) (store.Agent, error) {
	if a.Status == to {
		return a, nil
	}
	a, err := Become(tx, a, via, "", at)
	if err != nil {
		return a, err
	}
	return Become(tx, a, to, "", at)
}

// Delete deletes an agent, with its memories, of the revision that the caller wants, 0 = any. CodeFailedPrecondition if it is
// declared. Its runs are cancelled before, by turns.Chat.CancelRuns.
func Delete(tx store.Tx, a store.Agent, ifRevision int64, at time.Time) error {
	if err := Deletable(a, ifRevision); err != nil {
		return err
	}
	if err := tx.DeleteAgent(a.ID); err != nil {
		return err
	}
	_, err := store.Append(tx, schema.Event{Type: schema.EventDeleted, AgentID: a.ID}, at, schema.Deleted{Revision: a.Revision})
	return err
}

// Deletable returns why an agent cannot be deleted, or nil. One that is there because nothing is declared is declared, too.
func Deletable(a store.Agent, ifRevision int64) error {
	if a.Declaration != nil {
		return schema.Errorf(schema.CodeFailedPrecondition,
			"agent %s is declared in the configuration and cannot be deleted here; remove it there, or stop it", a.ID)
	}
	return revision(a, ifRevision, "decide again")
}

func revision(a store.Agent, want int64, next string) error {
	if want == 0 || want == a.Revision {
		return nil
	}
	return schema.Errorf(schema.CodeRevisionMismatch, "agent %s has revision %d and not %d; read it again and %s", a.ID, a.Revision, want, next)
}

// keep keeps an agent and tells of what has become of it.
func keep(tx store.Tx, a store.Agent, at time.Time, tell schema.EventType, payload any) (store.Agent, error) {
	a.UpdatedAt = at.UTC()
	if err := tx.PutAgent(a); err != nil {
		return a, err
	}
	_, err := store.Append(tx, schema.Event{Type: tell, AgentID: a.ID}, at, payload)
	return a, err
}
