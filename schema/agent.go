package schema

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"
)

// AgentStatus is the state of an agent. The transitions are
//
//	stopped ──Start──▶ starting ──▶ running ──Stop──▶ stopping ──▶ stopped
//	failed  ──Start──▶ starting ──▶ failed
//	failed  ──Stop───▶ stopped
//
// Every other request for a transition is CodeIllegalTransition, except that Start of a running agent and Stop of a
// stopped one succeed and change nothing.
type AgentStatus string

// The states of an agent.
const (
	AgentStopped  AgentStatus = "stopped"
	AgentStarting AgentStatus = "starting"
	AgentRunning  AgentStatus = "running"
	AgentStopping AgentStatus = "stopping"
	AgentFailed   AgentStatus = "failed"
)

// AgentStatuses lists every status.
func AgentStatuses() []AgentStatus {
	return []AgentStatus{AgentStopped, AgentStarting, AgentRunning, AgentStopping, AgentFailed}
}

// Emotion is what an agent feels now, already decayed to the moment of reading.
type Emotion struct {
	Name      string  `json:"name" doc:"What the feeling is called" example:"curious"`
	Intensity float64 `json:"intensity" minimum:"0" maximum:"1" doc:"How strong it is, 0 to 1"`
	Valence   float64 `json:"valence" minimum:"-1" maximum:"1" doc:"Unpleasant (-1) to pleasant (1)"`
	Arousal   float64 `json:"arousal" minimum:"0" maximum:"1" doc:"Calm (0) to excited (1)"`
}

// Brain names what thinks for an agent. In JSON it is the provider's name alone, or an object with a member "provider"
// and the provider's own options beside it.
type Brain struct {
	Provider string
	Options  Object
}

// MarshalJSON encodes a brain without options as a string.
func (b Brain) MarshalJSON() ([]byte, error) {
	if len(b.Options) == 0 {
		return json.Marshal(b.Provider)
	}
	o := make(Object, len(b.Options)+1)
	maps.Copy(o, b.Options)
	o["provider"] = b.Provider
	return json.Marshal(o)
}

// UnmarshalJSON accepts both forms.
func (b *Brain) UnmarshalJSON(raw []byte) error {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		*b = Brain{Provider: name}
		return nil
	}
	var o Object
	if err := json.Unmarshal(raw, &o); err != nil {
		return errors.New(`a brain is a provider's name or an object with a member "provider"`)
	}
	provider, ok := o["provider"].(string)
	if !ok {
		return errors.New(`a brain object needs a member "provider" that is a string`)
	}
	delete(o, "provider")
	if len(o) == 0 {
		o = nil
	}
	*b = Brain{Provider: provider, Options: o}
	return nil
}

// Agent is one agent of a runtime.
type Agent struct {
	ID          string      `json:"id" doc:"Stable id" example:"nyx"`
	Name        string      `json:"name" doc:"What people call it" example:"Nyx"`
	Description string      `json:"description" doc:"What the agent is for; routing looks at it"`
	Status      AgentStatus `json:"status" enum:"stopped,starting,running,stopping,failed" doc:"Only a running agent answers"`
	// StatusReason says why the agent is failed, and is empty otherwise.
	StatusReason string   `json:"statusReason,omitempty" doc:"Why the agent is failed"`
	Skills       []string `json:"skills" nullable:"false" doc:"What the agent is good at; routing scores by it"`
	Brain        Brain    `json:"brain" doc:"What thinks for the agent: a provider's name, or an object with the provider's options beside it"`
	Persona      string   `json:"persona" doc:"Who the agent is, in prose, for its brain"`
	Metadata     Object   `json:"metadata" doc:"Free-form, and given back as it is"`
	Emotion      Emotion  `json:"emotion" doc:"What the agent feels now"`
	Declared     bool     `json:"declared" doc:"Whether the configuration declares it; such an agent cannot be deleted"`
	// Revision grows by one with every change of the mutable fields and of the status. The emotion, which changes by
	// itself as time passes, does not count.
	Revision  int64     `json:"revision" doc:"Grows with every change; the ETag"`
	CreatedAt time.Time `json:"createdAt" doc:"When it came to be"`
	UpdatedAt time.Time `json:"updatedAt" doc:"When its revision last grew"`
}

// AgentQuery selects agents. The zero query selects the first page of all of them, ordered by id.
type AgentQuery struct {
	Status AgentStatus // "" = any
	Skill  string      // "" = any; compared case-insensitively
	Limit  int         // 0 = DefaultPageSize, at most MaxPageSize
	Cursor string      // NextCursor of the page before; "" = from the start
}

// AgentPage is one page of agents, ordered by id.
type AgentPage struct {
	Agents     []Agent `json:"agents" nullable:"false" doc:"Ordered by id; there may be fewer than limit although there are more"`
	NextCursor string  `json:"nextCursor" doc:"Pass as cursor for the next page; empty at the end"`
}

// NewAgent is an agent to create. What is left out is empty; the name is the id then, and the brain the runtime's default.
type NewAgent struct {
	ID          string
	Name        string
	Description string
	Skills      []string
	Persona     string
	Brain       Brain
	Metadata    Object
	Start       bool // whether it runs from the beginning
}

// AgentPatch changes the mutable fields of an agent. Null clears: the name becomes the id, the brain the runtime's
// default, everything else empty.
type AgentPatch struct {
	Name        Field[string]   `json:"name,omitzero"`
	Description Field[string]   `json:"description,omitzero"`
	Skills      Field[[]string] `json:"skills,omitzero"`
	Persona     Field[string]   `json:"persona,omitzero"`
	Brain       Field[Brain]    `json:"brain,omitzero"`
	Metadata    Field[Object]   `json:"metadata,omitzero"`
	// IfRevision, when not 0, makes the update fail with CodeRevisionMismatch unless the agent has that revision.
	IfRevision int64 `json:"-"`
}

// Agent returns a new agent that is stopped, of revision 1, with what is left out filled in. It has no times yet, and nothing
// in it is shared with n.
func (n NewAgent) Agent(defaultBrain Brain) Agent {
	a := AgentPatch{
		Name: Set(n.Name), Description: Set(n.Description), Skills: Set(n.Skills), Persona: Set(n.Persona), Brain: Set(n.Brain), Metadata: Set(n.Metadata),
	}.Apply(Agent{ID: n.ID, Status: AgentStopped, Revision: 1}, defaultBrain)
	if a.Name == "" {
		a.Name = a.ID
	}
	if a.Brain.Provider == "" {
		a.Brain.Provider = defaultBrain.Provider
	}
	if len(a.Brain.Options) == 0 && a.Brain.Provider == defaultBrain.Provider {
		a.Brain.Options = defaultBrain.Options.Clone()
	}
	return a
}

// Apply returns a with the mutable fields as p says, whatever p.IfRevision. The revision and the time of the change are the
// runtime's affair. Nothing in the result is shared with p.
func (p AgentPatch) Apply(a Agent, defaultBrain Brain) Agent {
	a.Name = p.Name.Apply(a.Name, a.ID)
	a.Description = p.Description.Apply(a.Description, "")
	a.Skills = slices.Clone(p.Skills.Apply(a.Skills, []string{}))
	if a.Skills == nil {
		a.Skills = []string{}
	}
	a.Persona = p.Persona.Apply(a.Persona, "")
	a.Brain = p.Brain.Apply(a.Brain, defaultBrain)
	a.Brain.Options = a.Brain.Options.Clone()
	a.Metadata = p.Metadata.Apply(a.Metadata, nil).Clone()
	return a
}

// Differs reports whether one of the mutable fields of a is another than in b. Objects are the same when they are as JSON.
func (a Agent) Differs(b Agent) bool {
	return a.Name != b.Name || a.Description != b.Description || a.Persona != b.Persona ||
		!slices.Equal(a.Skills, b.Skills) || !sameJSON(a.Brain, b.Brain) || !sameJSON(a.Metadata, b.Metadata)
}

// sameJSON compares values that are equal when their encodings are: encoding/json sorts the members of objects.
func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// Agents is the life of the agents of a runtime.
type Agents interface {
	// List returns one page of agents ordered by id. It may have fewer than q.Limit when they are large together; there
	// are more as long as there is a NextCursor. Needs ScopeRead.
	List(ctx context.Context, q AgentQuery) (AgentPage, error)
	// Get returns one agent. Needs ScopeRead.
	Get(ctx context.Context, id string) (Agent, error)
	// Create makes an agent that no configuration declares, and returns it: running if n.Start, otherwise stopped. It is
	// kept, and it runs again when the host does, until somebody stops or deletes it. CodeAlreadyExists if the id is taken;
	// CodeInvalidArgument, and nothing is created, if its brain cannot be made. Needs ScopeAdmin.
	Create(ctx context.Context, n NewAgent) (Agent, error)
	// Delete ends an agent: its unfinished runs are cancelled with reason "agent_stopped", and its memories are deleted with
	// it. What was said with it stays. CodeFailedPrecondition if the configuration declares the agent; with an ifRevision
	// other than 0, CodeRevisionMismatch unless the agent has that revision. Needs ScopeAdmin.
	Delete(ctx context.Context, id string, ifRevision int64) error
	// Update applies p and returns the agent as it is then. A patch that changes nothing keeps the revision. Needs ScopeAdmin.
	Update(ctx context.Context, id string, p AgentPatch) (Agent, error)
	// Start brings the agent to running and returns it in its new state, which is AgentFailed, with a reason, if its
	// brain cannot start. Idempotent. Needs ScopeAdmin.
	Start(ctx context.Context, id string) (Agent, error)
	// Stop brings the agent to stopped; its unfinished runs are cancelled with reason "agent_stopped" first. Idempotent.
	// Needs ScopeAdmin.
	Stop(ctx context.Context, id string) (Agent, error)
}
