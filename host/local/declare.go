package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/stagehouse/stagehouse/host/fault"
	"github.com/stagehouse/stagehouse/host/local/brain"
	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/usage"
	"github.com/stagehouse/stagehouse/schema"
)

// DeclarationError says that an agent goes on as it was, or does not run, although it is declared otherwise.
type DeclarationError struct {
	ID  string
	Err error
}

func (e *DeclarationError) Error() string { return fmt.Sprintf("declare agent %s: %v", e.ID, e.Err) }

func (e *DeclarationError) Unwrap() error { return e.Err }

// AgentID returns which agent it is.
func (e *DeclarationError) AgentID() string { return e.ID }

// DeclareAgents is Declare for a JSON array of AgentSpec; nil is StarterAgents. It implements host.Declarer.
func (r *Runtime) DeclareAgents(ctx context.Context, agents json.RawMessage) error {
	specs := StarterAgents()
	if agents != nil {
		specs = nil
		if err := json.Unmarshal(agents, &specs); err != nil {
			return fmt.Errorf("read the declared agents: %w", err)
		}
	}
	return r.Declare(ctx, specs)
}

// SetUsage has prices and budgets be those of c from now on, also for the turns at work. What was used before keeps its cost, and counts
// for the budgets. An error leaves everything as it was. It implements host.Budgeter.
func (r *Runtime) SetUsage(ctx context.Context, c usage.Config) error {
	return r.ledger.Configure(ctx, c)
}

// Budgets returns how much of each budget is used. It implements host.Budgeter.
func (r *Runtime) Budgets() []usage.Standing { return r.ledger.Standings() }

// Declare has specs be all that is declared, from now on and in a runtime that is running: each agent is merged in a commit of
// its own, as AgentSpec has it. A new one is created, and started if it should be; so is one that is failed and should run. An
// agent that is not declared any more is stopped and kept, and clients may start or delete it. Turns at work go on as they began,
// but for those of agents that are stopped.
//
// A declaration with a brain that cannot be made changes nothing of an agent that runs. What went wrong with which agents is a
// joined error of *DeclarationError; the others are as they are declared. It returns when all of them are, or failed to.
func (r *Runtime) Declare(ctx context.Context, specs []AgentSpec) error {
	if err := validateSpecs(specs); err != nil {
		return err
	}
	r.declare.Lock()
	defer r.declare.Unlock()
	declared := map[string]bool{}
	errs := make([]error, len(specs))
	var wg sync.WaitGroup
	for i, spec := range specs {
		declared[spec.ID] = true
		wg.Go(func() { errs[i] = agents{r}.declared(ctx, spec) })
	}
	wg.Wait()
	gone, err := r.undeclared(ctx, declared)
	errs = append(errs, err)
	for _, id := range gone {
		errs = append(errs, agents{r}.dismissed(ctx, id))
	}
	return errors.Join(errs...)
}

// next is what has to be done with an agent after its declaration is kept.
type next int

const (
	nextNothing next = iota
	nextStart
	nextStop
)

// declared brings one agent in line with its declaration.
func (s agents) declared(ctx context.Context, spec AgentSpec) error {
	what, err := s.declareOnce(ctx, spec)
	for errors.Is(err, errOtherBrain) {
		what, err = s.declareOnce(ctx, spec)
	}
	switch {
	case err != nil:
	case what == nextStart:
		err = s.insist(ctx, spec.ID, s.start)
		if a, ok := s.registry.get(spec.ID, s.now()); err == nil && ok && a.Status == schema.AgentFailed {
			err = errors.New("it cannot start: " + a.StatusReason)
		}
	case what == nextStop:
		err = s.insist(ctx, spec.ID, s.stop)
	}
	if err != nil {
		return &DeclarationError{spec.ID, err}
	}
	return nil
}

// declareOnce keeps a declaration. errOtherBrain says that the agent is not what it was when its brain was made.
func (s agents) declareOnce(ctx context.Context, spec AgentSpec) (what next, err error) {
	var kept store.Agent
	err = s.store.View(ctx, func(rd store.Reader) (err error) { kept, err = rd.Agent(spec.ID); return err })
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nextNothing, err
	}
	a, changed, err := spec.merge(kept)
	if err != nil {
		return nextNothing, err
	}
	if !changed && bytes.Equal(a.Declaration, kept.Declaration) && !stuck(a) {
		return nextNothing, nil
	}
	var made brain.Brain
	if changesBrain(kept, a) {
		if made, err = s.wantedBrain(ctx, "declare agent", spec.ID, a.Brain); err != nil {
			return nextNothing, err
		}
	}
	madeFor := a.Brain
	err = s.store.Update(ctx, func(tx store.Tx) (err error) {
		what, err = s.keepDeclaration(tx, spec, made, madeFor)
		return err
	})
	return what, err
}

// stuck reports whether an agent should run and does not.
func stuck(a store.Agent) bool { return a.Desired && a.Status == schema.AgentFailed }

// changesBrain reports whether an agent that runs is to think with another brain.
func changesBrain(from, to store.Agent) bool {
	return from.Status == schema.AgentRunning && !sameJSON(from.Brain, to.Brain)
}

// keepDeclaration merges a declaration in a transaction, and says what has to be done then.
func (s agents) keepDeclaration(tx store.Tx, spec AgentSpec, made brain.Brain, madeFor schema.Brain) (next, error) {
	if s.closing.Load() {
		return nextNothing, fault.Closing()
	}
	kept, err := tx.Agent(spec.ID)
	fresh := errors.Is(err, store.ErrNotFound)
	if err != nil && !fresh {
		return nextNothing, err
	}
	a, changed, err := spec.merge(kept)
	if err != nil {
		return nextNothing, err
	}
	newBrain := changesBrain(kept, a)
	if newBrain && (made == nil || !sameJSON(a.Brain, madeFor)) {
		return nextNothing, errOtherBrain
	}
	tell := schema.EventUpdated
	if fresh {
		a.Status, a.CreatedAt, tell = schema.AgentStopped, s.now(), schema.EventCreated
	}
	if err := s.keepChange(tx, a, changed || fresh || kept.Declaration == nil, tell); err != nil {
		return nextNothing, err
	}
	if !fresh {
		if err := s.registry.settle(tx, kept, &a, s.now()); err != nil {
			return nextNothing, err
		}
	}
	if newBrain {
		tx.OnCommit(func() { s.registry.setBrain(a.ID, made) })
	}
	switch {
	case a.Desired && (!kept.Desired || stuck(a)): // before it was declared, nobody wanted it
		return nextStart, nil
	case !a.Desired && kept.Desired:
		return nextStop, nil
	}
	return nextNothing, nil
}

// keepChange keeps an agent. If clients can see that it is another one, its revision grows and they are told.
func (s agents) keepChange(tx store.Tx, a store.Agent, visible bool, tell schema.EventType) error {
	if !visible {
		return s.remember(tx, a)
	}
	a.Revision++
	a.UpdatedAt = s.now()
	if err := s.remember(tx, a); err != nil {
		return err
	}
	if tell == schema.EventCreated {
		return s.appendEvent(tx, schema.Event{Type: tell, AgentID: a.ID}, schema.Created{Revision: a.Revision})
	}
	return s.appendEvent(tx, schema.Event{Type: tell, AgentID: a.ID}, schema.Updated{Revision: a.Revision})
}

// undeclared returns the ids of the agents that are kept as declared and are not in declared.
func (r *Runtime) undeclared(ctx context.Context, declared map[string]bool) (ids []string, err error) {
	err = r.store.View(ctx, func(rd store.Reader) error {
		all, err := rd.Agents()
		for _, a := range all {
			if a.Declaration != nil && !declared[a.ID] {
				ids = append(ids, a.ID)
			}
		}
		return err
	})
	return ids, err
}

// dismissed stops an agent that is not declared any more, and keeps it.
func (s agents) dismissed(ctx context.Context, id string) error {
	err := s.store.Update(ctx, func(tx store.Tx) error {
		a, err := tx.Agent(id)
		switch {
		case err != nil:
			return err
		case s.closing.Load():
			return fault.Closing()
		}
		a.Declaration, a.Desired = nil, false
		return s.keepChange(tx, a, true, schema.EventUpdated)
	})
	if err == nil {
		s.log.Info("agent is not declared any more; it is stopped and kept", "agent", id)
		err = s.insist(ctx, id, s.stop)
	}
	if err != nil {
		return &DeclarationError{id, err}
	}
	return nil
}

// maxInsist bounds how often insist tries while nothing is under way that it could wait for.
const maxInsist = 10

// insist starts or stops an agent, after the opposite of it that is under way.
func (s agents) insist(ctx context.Context, id string, act func(ctx context.Context, id string) error) (err error) {
	for range maxInsist {
		if err = act(ctx, id); schema.CodeOf(err) != schema.CodeIllegalTransition {
			return err
		}
		if err := s.join(ctx, id); err != nil {
			return err
		}
	}
	return err
}
