package openai

import (
	"encoding/json"
	"strings"
	"unicode"

	api "github.com/openai/openai-go/v3"

	"github.com/stagehouse/stagehouse/sdk"
)

// reasoningKeys are the keys that servers have for the text of a model's reasoning, of which the API itself knows nothing. One that has
// both says the same in them.
var reasoningKeys = []string{"reasoning_content", "reasoning"}

// reasoningOf returns the reasoning in a piece of an answer, and the key that it has there.
func reasoningOf(d api.ChatCompletionChunkChoiceDelta) (key, text string) {
	for _, key := range reasoningKeys {
		if json.Unmarshal([]byte(d.JSON.ExtraFields[key].Raw()), &text) == nil && text != "" {
			return key, text
		}
	}
	return "", ""
}

// state is what goes with a message of the agent that was reasoned about and has calls: servers that show the reasoning want it
// back, under the same key, as long as the turn goes on.
type state struct {
	Model string `json:"model"`
	Key   string `json:"key"`
	Text  string `json:"text"`
}

// recalled returns the reasoning that belongs to a message of the agent, and its key; or nothing, if there is none, or it is
// another model's.
func recalled(m sdk.ThinkMessage, model string) (key, text string) {
	var s state
	if len(m.State) == 0 || json.Unmarshal(m.State, &s) != nil || s.Model != model {
		return "", ""
	}
	for _, key := range reasoningKeys {
		if s.Key == key {
			return s.Key, s.Text
		}
	}
	return "", ""
}

// The tags between which some models write their reasoning, if their server does not take it apart.
const (
	thinkBegin = "<think>"
	thinkEnd   = "</think>"
)

// tags takes reasoning out of a text that begins with it, piece by piece.
type tags struct {
	within place
	held   string // which may be the beginning of a tag
}

type place int

const (
	atStart place = iota
	inThought
	afterThought
	inText
)

// next returns what a piece adds to the reasoning, and to the text.
func (t *tags) next(piece string) (thought, text string) {
	t.held += piece
	if t.within == atStart {
		t.start()
	}
	if t.within == inThought {
		thought = t.think()
	}
	if t.within == afterThought {
		if t.held = strings.TrimLeftFunc(t.held, unicode.IsSpace); t.held != "" {
			t.within = inText
		}
	}
	if t.within == inText {
		text, t.held = t.held, ""
	}
	return thought, text
}

// start finds out whether the text begins with reasoning.
func (t *tags) start() {
	head := strings.TrimLeftFunc(t.held, unicode.IsSpace)
	switch rest, yes := strings.CutPrefix(head, thinkBegin); {
	case yes:
		t.within, t.held = inThought, rest
	case !strings.HasPrefix(thinkBegin, head):
		t.within = inText
	}
}

// think returns the reasoning that is held, and holds what may become the tag that ends it.
func (t *tags) think() (thought string) {
	if before, after, over := strings.Cut(t.held, thinkEnd); over {
		t.within, t.held = afterThought, after
		return before
	}
	n := min(len(t.held), len(thinkEnd)-1)
	for !strings.HasPrefix(thinkEnd, t.held[len(t.held)-n:]) {
		n--
	}
	thought, t.held = t.held[:len(t.held)-n], t.held[len(t.held)-n:]
	return thought
}

// rest returns what was held when the answer ended.
func (t *tags) rest() (thought, text string) {
	held := t.held
	t.held = ""
	if t.within == inThought {
		return held, ""
	}
	return "", held
}
