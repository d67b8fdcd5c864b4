package openai

import (
	"encoding/json"
	"fmt"
	"strings"

	api "github.com/openai/openai-go/v3"

	"github.com/stagehouse/stagehouse/sdk"
)

// calls gathers the calls of an answer from their pieces. A piece belongs to the call that was begun with its index; but there are
// servers that give all calls the same index, or none, leave out their ids, or repeat ids and names with every piece.
type calls struct {
	list []*call
	at   map[int64]*call // the last one that was begun with an index
}

// call is one that is being gathered.
type call struct {
	id, name  string
	arguments strings.Builder
}

// add adds a piece.
func (c *calls) add(d api.ChatCompletionChunkChoiceDeltaToolCall) {
	input := d.Function.Arguments
	if raw := d.Function.JSON.Arguments.Raw(); strings.HasPrefix(raw, "{") {
		input = raw // the object itself, where the API has a text of it
	}
	x := c.at[d.Index]
	if !d.JSON.Index.Valid() && d.ID == "" && d.Function.Name == "" && len(c.list) > 0 {
		x = c.list[len(c.list)-1]
	}
	if x == nil || x.endsBefore(d.ID, d.Function.Name) {
		if x = (&call{}); c.at == nil {
			c.at = map[int64]*call{}
		}
		c.list, c.at[d.Index] = append(c.list, x), x
	}
	if x.id == "" {
		x.id = d.ID
	}
	if x.name == "" {
		x.name = d.Function.Name
	}
	x.arguments.WriteString(input)
}

// endsBefore reports whether a piece with the index of the call is of another one.
func (x *call) endsBefore(id, name string) bool {
	switch {
	case id != "" && x.id != "":
		return id != x.id
	case name == "" || x.name == "":
		return false
	}
	return name != x.name || json.Valid([]byte(x.arguments.String()))
}

// whole returns the calls, each with an id of its own, or what is wrong with one.
func (c *calls) whole() ([]*sdk.ToolCall, error) {
	var all []*sdk.ToolCall
	ids := map[string]bool{}
	for _, x := range c.list {
		if x.name == "" {
			return nil, fmt.Errorf("it calls a tool without saying which")
		}
		id := x.id
		for n := len(ids); id == "" || ids[id]; n++ {
			id = fmt.Sprintf("call%05d", n)
		}
		ids[id] = true
		input, err := readArguments(x.arguments.String())
		if err != nil {
			return nil, fmt.Errorf("the input that it has for the tool %s is no JSON object", x.name)
		}
		all = append(all, &sdk.ToolCall{ID: id, Name: x.name, Input: input})
	}
	return all, nil
}

// readArguments reads the arguments of a call; some models write the text of an object as a JSON string once more.
func readArguments(text string) (input sdk.Object, err error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, `"`) {
		var inner string
		if err := json.Unmarshal([]byte(text), &inner); err != nil {
			return nil, err
		}
		text = strings.TrimSpace(inner)
	}
	if text == "" || text == "null" {
		return nil, nil
	}
	return input, json.Unmarshal([]byte(text), &input)
}
