package anthropictest

import (
	"encoding/json"
	"net/http"
)

// Reply is how the server answers one request.
type Reply struct {
	// Of an answer: what it is made of (see Text, Thought, Redacted and Call), why it ends ("" = "tool_use" if there is a call, else
	// "end_turn"), and how many of its tokens were read from the cache and written to it.
	Content                 []Block
	Stop                    string
	CacheRead, CacheWritten int

	// Of an error: its status, type and text, and headers beside it, such as Retry-After. ErrorText is the body if it is not to be
	// JSON in the shape of the API.
	Status        int
	Type, Message string
	Header        http.Header
	ErrorText     string

	// Hold keeps the answer back until it is closed.
	Hold <-chan struct{}
	// Fault is what happens after the first After events of the stream.
	Fault Fault
	After int
}

// Fault is something that goes wrong in a stream.
type Fault string

// The faults.
const (
	Cut        Fault = "cut"        // the connection breaks
	Ends       Fault = "ends"       // the answer ends, and is not whole
	Stall      Fault = "stall"      // nothing more comes
	Garbage    Fault = "garbage"    // an event comes that is no JSON
	Overloaded Fault = "overloaded" // an event says overloaded_error, and the answer ends
	Failing    Fault = "failing"    // an event says api_error, and the answer ends
)

// Text returns a block of text.
func Text(s string) Block { return Block{Type: "text", Text: s} }

// Thought returns a block of thinking, which the server signs.
func Thought(s string) Block { return Block{Type: "thinking", Thinking: s} }

// Redacted returns a block of thinking that nobody may read.
func Redacted() Block { return Block{Type: "redacted_thinking"} }

// Call returns a block that calls a tool with input, a JSON object; or with what is none, as a model does that is cut off.
func Call(id, name, input string) Block {
	return Block{Type: "tool_use", ID: id, Name: name, Input: json.RawMessage(input)}
}

// Refuse returns an error of the API.
func Refuse(status int, kind, message string) Reply {
	return Reply{Status: status, Type: kind, Message: message}
}

// stop returns why the answer ends.
func (r Reply) stop() string {
	if r.Stop != "" {
		return r.Stop
	}
	for _, b := range r.Content {
		if b.Type == "tool_use" {
			return "tool_use"
		}
	}
	return "end_turn"
}
