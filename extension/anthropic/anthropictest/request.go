package anthropictest

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// Request is what the server was asked.
type Request struct {
	Header http.Header `json:"-"`

	Model         string    `json:"model"`
	MaxTokens     *int      `json:"max_tokens"`
	System        Blocks    `json:"system"`
	Messages      []Message `json:"messages"`
	Tools         []Tool    `json:"tools"`
	ToolChoice    *Choice   `json:"tool_choice"`
	Thinking      *Thinking `json:"thinking"`
	OutputConfig  *Output   `json:"output_config"`
	Temperature   *float64  `json:"temperature"`
	TopP          *float64  `json:"top_p"`
	TopK          *int      `json:"top_k"`
	StopSequences []string  `json:"stop_sequences"`
	Metadata      *Metadata `json:"metadata"`
	Stream        bool      `json:"stream"`
	CacheControl  *Cache    `json:"cache_control"`
	ServiceTier   string    `json:"service_tier"`
}

// Message is one message of a request.
type Message struct {
	Role    string `json:"role"`
	Content Blocks `json:"content"`
}

// Blocks is content: a list of blocks, or a string, which is one block of text.
type Blocks []Block

// UnmarshalJSON reads both.
func (b *Blocks) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		*b = Blocks{{Type: "text", Text: text}}
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode((*[]Block)(b))
}

// Text returns the text of the blocks of text.
func (b Blocks) Text() string {
	var all string
	for _, block := range b {
		if block.Type == "text" {
			all += block.Text
		}
	}
	return all
}

// Block is one block of content, of a request or, in a [Reply], of an answer.
type Block struct {
	Type         string          `json:"type"`
	Text         string          `json:"text"`
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Input        json.RawMessage `json:"input"`
	ToolUseID    string          `json:"tool_use_id"`
	Content      Blocks          `json:"content"`
	IsError      bool            `json:"is_error"`
	Thinking     string          `json:"thinking"`
	Signature    string          `json:"signature"`
	Data         string          `json:"data"`
	CacheControl *Cache          `json:"cache_control"`
}

// Tool is a tool that the model may call.
type Tool struct {
	Type         string          `json:"type"`
	Name         string          `json:"name"`
	Description  string          `json:"description"`
	InputSchema  json.RawMessage `json:"input_schema"`
	CacheControl *Cache          `json:"cache_control"`
}

// Choice says how tools are used: auto, any, tool or none.
type Choice struct {
	Type                   string `json:"type"`
	Name                   string `json:"name"`
	DisableParallelToolUse bool   `json:"disable_parallel_tool_use"`
}

// Thinking says how the model thinks: enabled, adaptive or disabled.
type Thinking struct {
	Type         string `json:"type"`
	BudgetTokens int    `json:"budget_tokens"`
	Display      string `json:"display"`
}

// Output says how the model answers.
type Output struct {
	Effort string `json:"effort"`
}

// Metadata says for whom it is.
type Metadata struct {
	UserID string `json:"user_id"`
}

// Cache marks the end of a prefix that is kept.
type Cache struct {
	Type string `json:"type"`
	TTL  string `json:"ttl"`
}

func readRequest(body []byte) (Request, error) {
	var r Request
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	return r, d.Decode(&r)
}
