package openaitest

import "net/http"

// Reply is how the server answers one request.
type Reply struct {
	// Of an answer: what it reasons, if the server shows it (see Habits.ReasoningKey), what it says, the tools that it calls, why it
	// ends ("" = "tool_calls" if there is a call, else "stop"), and how many tokens were read from the cache.
	Reasoning string
	Content   string
	Calls     []Call
	Stop      string
	CacheRead int

	// Of an error: its status, type, code and text, and headers beside it, such as Retry-After. ErrorText is the body if it is not to
	// be JSON in the shape of the API.
	Status              int
	Type, Code, Message string
	Header              http.Header
	ErrorText           string

	// Hold keeps the answer back until it is closed.
	Hold <-chan struct{}
	// After the first After events of the stream it waits until Gate, if there is one, is closed; then Fault, if there is one, happens.
	After int
	Gate  <-chan struct{}
	Fault Fault
}

// Call is a call of a tool, with its arguments as the model writes them: the text of a JSON object, or of none.
type Call struct{ ID, Name, Arguments string }

// Fault is something that goes wrong in a stream.
type Fault string

// The faults.
const (
	Cut     Fault = "cut"     // the connection breaks
	Ends    Fault = "ends"    // the answer ends, and is not whole
	Stall   Fault = "stall"   // nothing more comes
	Garbage Fault = "garbage" // an event comes that is no JSON
	Failing Fault = "failing" // an event says server_error, and the answer ends
	Limited Fault = "limited" // an event says rate_limit_exceeded, and the answer ends
)

// Say returns an answer with a text.
func Say(text string) Reply { return Reply{Content: text} }

// Refuse returns an error of the API.
func Refuse(status int, kind, code, message string) Reply {
	return Reply{Status: status, Type: kind, Code: code, Message: message}
}

// stop returns why the answer ends.
func (r Reply) stop() string {
	switch {
	case r.Stop != "":
		return r.Stop
	case len(r.Calls) > 0:
		return "tool_calls"
	}
	return "stop"
}

// Habits are in what servers with the same API differ from OpenAI's. The zero value is OpenAI's own.
type Habits struct {
	Open         bool   // no key is wanted
	AnyModel     bool   // there is every model, and each takes every parameter
	AnyKey       bool   // keys of a request that are not known are taken
	OldLimit     bool   // the limit of an answer is max_tokens, and max_completion_tokens is not known
	TakesTurns   bool   // user and assistant alternate, beginning with the user, or the template of the model fails
	ReasoningKey string // under which reasoning is shown; "" = it is not
	ThinkTags    bool   // reasoning is at the beginning of the content, between <think> and </think>
	WholeCalls   bool   // a call comes in one piece
	NoCallIDs    bool   // calls have no ids
	NoIndices    bool   // calls have no indices
	SameIndex    bool   // all calls have the index 0
	RepeatsNames bool   // every piece of a call has its name
	RepeatsIDs   bool   // every piece of a call has its id
	Objects      bool   // arguments are a JSON object, and not its text; for whole calls
	StopsForAll  bool   // an answer with calls ends with "stop", too
	UsageAlways  bool   // every piece has what was used so far
	NoUsage      bool   // nothing says what was used
	BareErrors   bool   // an error is the body itself, and not its "error"
	NoVectorIDs  bool   // vectors have no indices
}
