package api

import (
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/stagehouse/stagehouse/schema"
)

// event describes schema.Event as clients see it: one object that has the members of every event, and those of its type.
type event struct{}

// eventBase is what every event has beside its type.
type eventBase struct {
	ID             string    `json:"id" doc:"Its place in the log: a cursor" example:"lq2jjkl6rav73lom-35"`
	Seq            uint64    `json:"seq" doc:"The number in the id" example:"35"`
	AgentID        string    `json:"agentId,omitempty" doc:"The agent that it is about" example:"nyx"`
	ConversationID string    `json:"conversationId,omitempty" doc:"The conversation that it is part of"`
	RunID          string    `json:"runId,omitempty" doc:"The turn that it is part of"`
	Time           time.Time `json:"time" doc:"When it happened"`
}

// Schema implements huma.SchemaProvider.
func (event) Schema(r huma.Registry) *huma.Schema {
	one := &huma.Schema{Description: "One event. Later versions may have types that are not among these: ignore what you do not know"}
	base := r.Schema(reflect.TypeFor[eventBase](), true, "")
	for _, kind := range schema.EventKinds() {
		if kind.Type == schema.EventGap { // no event of the log
			continue
		}
		one.OneOf = append(one.OneOf, named(r, componentName(kind.Type), &huma.Schema{
			Description: kind.About,
			AllOf: []*huma.Schema{base, r.Schema(reflect.TypeOf(kind.Example), true, ""), {
				Type: huma.TypeObject, Required: []string{"type"},
				Properties: map[string]*huma.Schema{
					"type": {Type: huma.TypeString, Const: string(kind.Type), Description: "What kind of event it is"},
				},
			}},
		}))
	}
	return named(r, "Event", one)
}
